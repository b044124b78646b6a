// Compiled, never run: how the components may be used, and how not.
import type { HostUsage, Window } from "../../../frontend/src/shapes.js";
import { FreeTierBanner, FreeUsageDashboard } from "../src/index.js";
import type { FreeUsage, UsageWindow } from "../src/index.js";

/** The package describes what it hands on by itself, so that its types need no other package. */
type Same<One, Other> = [One, Other] extends [Other, One] ? true : false;
export const same: [Same<FreeUsage, HostUsage>, Same<UsageWindow, Window>] = [true, true];

export const right = (
  <>
    <FreeTierBanner usage={{ remainingRequests: 45, nearLimit: false }} onUpgrade={() => undefined} />
    <FreeTierBanner usage={null} />
    <FreeUsageDashboard userId="me" />
  </>
);

export const wrong = (
  <>
    {/* @ts-expect-error a dashboard is somebody's */}
    <FreeUsageDashboard />
    {/* @ts-expect-error a number is no text */}
    <FreeTierBanner usage={{ remainingRequests: "45" }} />
  </>
);
