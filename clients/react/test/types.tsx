// Compiled, never run: how the components may be used, and how not.
import { FreeTierBanner, FreeUsageDashboard } from "../src/index.js";

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
