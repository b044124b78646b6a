// What all elements share: two ways to get their data, their events, their first paint.

import { LitElement, html, nothing } from "lit";
import type { PropertyDeclarations, TemplateResult } from "lit";
import { Service } from "./service";
import type { PromptEvent } from "./service";
import type { Data } from "./shapes";
import { base } from "./styles";

/** Somebody was answered, or refused, on this page: what is left has changed. */
export const CHANGED = "scalix-changed";

export abstract class ScalixElement extends LitElement {
  static override styles = [base];

  static override properties: PropertyDeclarations = {
    baseUrl: { attribute: "base-url" },
    token: { attribute: false },
    data: { attribute: false },
    upgradeUrl: { attribute: "upgrade-url" },
  };

  /** Where the service is, "" for the origin of the page. Without it nothing is fetched. */
  declare baseUrl: string | null;
  /** A token or key to send along; in browsers the service's cookie does that. */
  declare token: string | null;
  /** What a host hands over; it goes before anything fetched. */
  declare data: Data | null;
  /** Where an upgrade leads, unless a listener prevents it. */
  declare upgradeUrl: string;

  constructor() {
    super();
    this.baseUrl = null;
    this.token = null;
    this.data = null;
    this.upgradeUrl = "/upgrade";
  }

  protected get service(): Service | null {
    return this.baseUrl === null ? null : new Service(this.baseUrl, this.token);
  }

  /** Until there is something to show, what the page's author put inside the tag stands. */
  protected fallback(): TemplateResult {
    return html`<slot></slot>`;
  }

  protected emit<T>(name: string, detail: T): boolean {
    return this.dispatchEvent(
      new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable: true }),
    );
  }

  /** Tell the host, which may take over; otherwise go to the page of prices. */
  protected upgrade(trigger: string | null, messageId: string): void {
    this.record({ trigger: trigger ?? "NONE", action: "click", message_id: messageId });
    if (this.emit("scalix-upgrade", { trigger, message_id: messageId }) && this.baseUrl !== null) {
      location.assign(new URL(this.upgradeUrl, new URL(this.baseUrl, location.href)));
    }
  }

  /** An impression, click or dismissal of a prompt: to the host, and to the service if there is one. */
  protected record(event: PromptEvent): void {
    this.emit("scalix-prompt", event);
    if (event.trigger !== "NONE") this.service?.tell(event);
  }
}

export function define(name: string, element: CustomElementConstructor): void {
  if (customElements.get(name) === undefined) customElements.define(name, element);
}

/** A moment in local time, its ISO form beside it for programs. */
export function moment(iso: string | null, words: string): TemplateResult | typeof nothing {
  return iso === null ? nothing : html`<time datetime=${iso}>${words}</time>`;
}
