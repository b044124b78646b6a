// The composer of the first page is there at once; what streams answers is fetched when somebody
// begins to type, and takes over with the question.
"use strict";

{
  const chat = document.querySelector("scalix-chat[data-asks]");
  const bundle = chat?.dataset.asks;

  const fetched = () => {
    if (document.querySelector(`link[href="${bundle}"]`)) return;
    const link = document.createElement("link");
    link.rel = "preload";
    link.as = "script";
    link.href = bundle;
    document.head.append(link);
  };

  const loaded = () =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = bundle;
      script.addEventListener("load", resolve);
      script.addEventListener("error", reject);
      document.head.append(script);
    });

  if (bundle) {
    chat.addEventListener("focusin", fetched, { once: true });
    chat.addEventListener("pointerover", fetched, { once: true });
    for (const form of chat.querySelectorAll("form")) {
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        const question = event.submitter?.value || form.elements.prompt?.value || "";
        if (!question.trim()) return;
        try {
          await loaded();
          await customElements.whenDefined("scalix-chat");
        } catch {
          // Without the bundle the form does it as it does without script.
          if (event.submitter?.name) {
            const field = document.createElement("input");
            Object.assign(field, { type: "hidden", name: event.submitter.name, value: question });
            form.append(field);
          }
          form.submit();
          return;
        }
        chat.send(question);
      });
    }
  }
}
