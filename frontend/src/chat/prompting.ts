// Which prompt stands under which answer, and whether a sale stands beside the limits: one at a time, and none
// while an answer is written.

import { dismissed, isDismissed, may, remember, remembered } from "../prompts";
import type { Trigger } from "../prompts";
import type { PromptEvent } from "../service";
import type { Standing } from "../standing";
import { letsDown } from "./conversation";
import type { Exchange } from "./conversation";

export interface Prompt {
  /** Of the exchange that it stands under. */
  id: string;
  trigger: "FIRST_REQUEST" | "QUALITY_ISSUE";
}

/** Who hears of prompts that were seen or sent away, and knows what is offered. */
export interface Prompted {
  record(event: PromptEvent): void;
  sentAway(trigger: Trigger, messageId: string): void;
  loadOffer(trigger: Trigger): void;
  requestUpdate(): void;
}

export const NEAR_ID = "chat-quota";

export function messageIdOf(trigger: Trigger): string {
  return `chat-${trigger.toLowerCase()}`;
}

/** What an answer gives cause for; `told` is what the service finds due. */
export function dueOf(exchange: Exchange, told: string | null): Prompt["trigger"] | null {
  if (letsDown(exchange) !== null || told === "QUALITY_ISSUE") return "QUALITY_ISSUE";
  return told === "FIRST_REQUEST" ? told : null;
}

export class Prompting {
  shown: Prompt | null = null;
  readonly #chat: Prompted;
  #isWriting = false;
  /** Rated while another answer was written: it has to wait for the end of that one. */
  #rated: Exchange | null = null;
  #nearShown = false;

  constructor(chat: Prompted) {
    this.#chat = chat;
  }

  begin(): void {
    this.#isWriting = true;
    this.#show(null);
  }

  end(exchange: Exchange | null, told: string | null): void {
    this.#isWriting = false;
    const rated = this.#rated;
    this.#rated = null;
    if (exchange !== null) this.#suggest(exchange, told);
    if (rated !== null && this.shown === null) this.#suggest(rated, null);
  }

  rated(exchange: Exchange): void {
    if (this.#isWriting) this.#rated = exchange;
    else this.#suggest(exchange, null);
  }

  dismiss(): void {
    const { shown } = this;
    if (shown === null) return;
    this.#show(null);
    this.#sendAway(shown.trigger, messageIdOf(shown.trigger));
  }

  forget(): void {
    this.#rated = null;
    this.#show(null);
  }

  /** Whether Pro is spoken of beside the limits; `isFree` where nothing else has the word. */
  sellsNear(now: Standing | null, isFree: boolean): boolean {
    return now !== null && now.near && !now.empty && isFree && !isDismissed(remembered(), Date.now());
  }

  /** Count it as seen, when it has come. */
  seeNear(now: Standing | null, isFree: boolean): void {
    const sells = this.sellsNear(now, isFree);
    if (sells === this.#nearShown) return;
    this.#nearShown = sells;
    if (!sells || now === null) return;
    const resetMs = now.resetAt === null ? 0 : Date.parse(now.resetAt);
    const window = (now.tighter ?? now.day)?.name ?? "";
    if (may({ trigger: "NEAR_LIMIT", nowMs: Date.now(), window, resetMs })) {
      this.#chat.record({ trigger: "NEAR_LIMIT", action: "impression", message_id: NEAR_ID });
    }
  }

  dismissNear(): void {
    remember(dismissed(remembered(), Date.now()));
    this.#sendAway("NEAR_LIMIT", NEAR_ID);
    this.#chat.requestUpdate();
  }

  /** Unless this browser has had its share of it. */
  #suggest(exchange: Exchange, told: string | null): void {
    const trigger = dueOf(exchange, told);
    if (trigger === null || !may({ trigger, nowMs: Date.now() })) return;
    this.#show({ id: exchange.id, trigger });
    this.#chat.record({ trigger, action: "impression", message_id: messageIdOf(trigger) });
    if (trigger === "QUALITY_ISSUE") this.#chat.loadOffer(trigger);
  }

  #sendAway(trigger: Trigger, messageId: string): void {
    this.#chat.record({ trigger, action: "dismiss", message_id: messageId });
    this.#chat.sentAway(trigger, messageId);
  }

  #show(prompt: Prompt | null): void {
    this.shown = prompt;
    this.#chat.requestUpdate();
  }
}
