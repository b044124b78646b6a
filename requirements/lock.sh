#!/bin/sh
# Makes the locks anew from pyproject.toml. Needs uv; the index it asks is not written down.
set -eu
cd "$(dirname "$0")/.."
compile() { uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --quiet "$@"; }
compile pyproject.toml --group build -o requirements/run.txt
compile --group local-model -c requirements/run.txt -o requirements/local-model.txt
compile --group test -c requirements/run.txt -o requirements/test.txt
compile --group mutants -c requirements/run.txt -c requirements/test.txt -o requirements/mutants.txt
compile --group litellm -o requirements/litellm.txt
compile --group openai-1 -o requirements/openai-1.txt
compile --group langchain -o requirements/langchain.txt
compile pyproject.toml --extra litellm -c requirements/run.txt -o requirements/litellm-sdk.txt
