// Tries the API from the reader's own browser, step by step, as a client does it.
"use strict";

{
  const form = document.querySelector("form[data-try]");
  const out = document.querySelector("[data-tried]");
  const button = form.querySelector("button");

  const line = (text, tone) => {
    const p = document.createElement("p");
    const badge = document.createElement("span");
    badge.className = `badge ${tone}`;
    badge.textContent = tone === "ok" ? "ok" : tone === "danger" ? "failed" : "…";
    p.className = "row";
    p.append(badge, text);
    out.append(p);
  };

  const models = async () => {
    const answer = await fetch("/v1/models", { headers: { authorization: "Bearer free" } });
    if (!answer.ok) throw new Error(`The list of models answered ${answer.status}.`);
    const found = await answer.json();
    return `${found.data.length} models are listed`;
  };

  const stream = async () => {
    const began = performance.now();
    const answer = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer free" },
      body: JSON.stringify({
        model: "scalix-free",
        stream: true,
        messages: [{ role: "user", content: form.dataset.try }],
      }),
    });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
    }
    if (!text.includes("data: [DONE]")) throw new Error("The stream broke off before its end.");
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const model = answer.headers.get("x-scalix-model");
    return `An answer was streamed in ${seconds} s${model ? ` by ${model}` : ""}`;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    out.replaceChildren();
    try {
      for (const step of [models, stream]) line(await step(), "ok");
    } catch (error) {
      line(error.message, "danger");
    }
    button.disabled = false;
  });
}
