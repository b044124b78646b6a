// The bundle of public pages.

import { ScalixBanner } from "./banner";
import { define } from "./element";
import { ScalixPricing } from "./pricing";
import { ScalixUpgrade } from "./upgrade";
import { ScalixUsage } from "./usage";

define("scalix-banner", ScalixBanner);
define("scalix-usage", ScalixUsage);
define("scalix-upgrade", ScalixUpgrade);
define("scalix-pricing", ScalixPricing);
