// Compiled, never run: what the client's Electron handlers tell is what the elements take.
import type { CheckedLimits, FreeUsage } from "../../clients/js/dist/electron.cjs";
import type { HostUsage } from "../src/shapes";

type Taken<Given extends HostUsage> = Given;

export type OfUsage = Taken<FreeUsage>;
export type OfLimits = Taken<CheckedLimits>;
