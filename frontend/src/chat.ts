// The bundle of the chat: with it comes what renders Markdown.

import { ScalixChat } from "./chat/element";
import { define } from "./element";

define("scalix-chat", ScalixChat);
