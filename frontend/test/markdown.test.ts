import assert from "node:assert/strict";
import { test } from "node:test";
import { html } from "../src/chat/markdown";

test("HTML of a model becomes text, in a block and in a line", () => {
  for (const hostile of [
    "<img src=x onerror=alert(1)>",
    "a <b onclick=alert(1)>b</b> c",
    "<script>alert(1)</script>",
    "<!-- <img src=x> -->",
    "| a |\n|---|\n| <svg onload=alert(1)> |",
    "# <iframe src=javascript:alert(1)>",
    "`<b>` [<b>](https://a.example/<b>)",
    "```<b>\n<b></code>\n```",
  ]) {
    const tags = [...html(hostile).matchAll(/<\/?([a-z0-9]+)/gi)].map(([, tag]) => tag?.toLowerCase());
    assert.deepEqual(tags.filter((tag) => ["img", "b", "script", "svg", "iframe"].includes(tag ?? "")), [], hostile);
    assert.doesNotMatch(html(hostile).replace(/&[a-z#0-9]+;/g, ""), /<[^>]*\son[a-z]+=/i, hostile);
  }
});

test("links lead into the web alone, and vouch for nothing", () => {
  assert.match(html("[a](https://a.example)"), /<a href="https:\/\/a\.example" target="_blank" rel="noopener nofollow ugc">a<\/a>/);
  for (const hostile of ["javascript:alert(1)", "data:text/html,x", "JAVASCRIPT:alert(1)", "vbscript:x", "/own", "#x"]) {
    assert.doesNotMatch(html(`[a](${hostile})`), /<a /, hostile);
  }
  assert.match(html('[a](https://a.example/"onmouseover="alert(1))'), /^<p>(?!.*"\s*onmouseover=")/);
});

test("images are links: whoever wrote the answer learns nothing of the reader", () => {
  assert.doesNotMatch(html("![x](https://a.example/t.gif)"), /<img/);
  assert.match(html("![x](https://a.example/t.gif)"), />Image: x<\/a>/);
});

test("code has its language and a button to copy it", () => {
  const made = html("```js\nif (a < b) {}\n```");

  assert.match(made, /<span>js<\/span><button type="button" data-copy="code">Copy<\/button>/);
  assert.match(made, /<code>if \(a &lt; b\) \{\}\n<\/code>/);
});

test("headings stay below those of the page", () => {
  assert.match(html("# A\n\n###### B"), /<h3>A<\/h3>\s*<h6>B<\/h6>/);
});
