// The bundle of public pages.

import { ScalixBanner } from "./banner";
import { define } from "./element";
import { ScalixUsage } from "./usage";

define("scalix-banner", ScalixBanner);
define("scalix-usage", ScalixUsage);
