from pathlib import Path

from benchmarks import nginx


def test_only_folders_of_modules_that_are_built_in_are_named() -> None:
    built = "configure arguments: --without-http_scgi_module --with-http_ssl_module"
    text = nginx.configuration(Path("folder"), 1, 2, built_with=built)
    assert "fastcgi_temp_path folder/fastcgi;" in text
    assert "scgi_temp_path" not in text.replace("fastcgi_temp_path", "")


def test_braces_balance_and_both_sides_keep_their_connections() -> None:
    text = nginx.configuration(Path("folder"), 1, 2, built_with="")
    assert text.count("{") == text.count("}")
    assert text.count("keepalive_requests 1000000000;") == 2
    assert "access_log off;" in text
