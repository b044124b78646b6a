// Markdown of a model, which nobody vouches for, as safe HTML.
//
// Its HTML becomes text before anything is parsed as HTML, so that the sanitiser, which has the last
// word, finds nothing to do: sanitising hostile markup makes browsers report it.

import DOMPurify from "dompurify";
import { Marked } from "marked";
import type { Tokens } from "marked";

const SAFE_LINK = /^(?:https?:|mailto:)/i;

const TAGS = [
  "a", "blockquote", "br", "button", "code", "del", "div", "em", "h3", "h4", "h5", "h6", "hr",
  "li", "ol", "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
];
/** All but `href`, which alone is an address. */
const ATTRIBUTES = [
  "align", "aria-label", "class", "data-copy", "rel", "role", "start", "tabindex", "target", "type",
];

export function escape(text: string): string {
  const signs: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (sign) => signs[sign] ?? sign);
}

function link(href: string, text: string): string {
  if (!SAFE_LINK.test(href.trim())) return text;
  return `<a href="${escape(href.trim())}" target="_blank" rel="noopener nofollow ugc">${text}</a>`;
}

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  renderer: {
    html({ text }: Tokens.HTML | Tokens.Tag): string {
      return escape(text);
    },
    link({ href, tokens }: Tokens.Link): string {
      return link(href, this.parser.parseInline(tokens));
    },
    image({ href, text }: Tokens.Image): string {
      return link(href, escape(text === "" ? "Image" : `Image: ${text}`));
    },
    heading({ tokens, depth }: Tokens.Heading): string {
      const level = Math.min(6, depth + 2);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
    code({ text, lang }: Tokens.Code): string {
      const language = (lang ?? "").trim().split(/\s+/)[0] ?? "";
      const name = escape(language === "" ? "text" : language);
      return (
        `<div class="code"><div class="code-bar"><span>${name}</span>` +
        `<button type="button" data-copy="code">Copy</button></div>` +
        `<pre tabindex="0" role="region" aria-label="Code, ${name}"><code>${escape(text)}\n</code></pre></div>\n`
      );
    },
    table(token: Tokens.Table): string {
      const row = (cells: Tokens.TableCell[], tag: "th" | "td"): string =>
        `<tr>${cells.map((cell) => `<${tag}${cell.align ? ` align="${cell.align}"` : ""}>${this.parser.parseInline(cell.tokens)}</${tag}>`).join("")}</tr>`;
      const body = token.rows.map((cells) => row(cells, "td")).join("");
      return `<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><thead>${row(token.header, "th")}</thead><tbody>${body}</tbody></table></div>\n`;
    },
    checkbox({ checked }: Tokens.Checkbox): string {
      return `<span role="img" aria-label="${checked ? "done" : "to do"}">${checked ? "☑" : "☐"}</span> `;
    },
  },
});

/** Only markup of ours, without a reference that is none of the web or mail. */
export function html(markdown: string): string {
  return marked.parse(markdown) as string;
}

export function fragment(markdown: string): DocumentFragment {
  return DOMPurify.sanitize(html(markdown), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", ...ATTRIBUTES],
    ADD_URI_SAFE_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOWED_URI_REGEXP: SAFE_LINK,
    RETURN_DOM_FRAGMENT: true,
  });
}
