// What a server sends, with React 18 and 19: all that is to be read, before any element is there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement, version } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { FreeTierBanner, FreeUsageDashboard } from "../dist/index.js";

const shown = (component, props) => renderToStaticMarkup(createElement(component, props));

test("it is the React that was asked for", () => {
  assert.equal(version.split(".")[0], process.env.REACT);
});

test("a banner says what is left", () => {
  assert.equal(
    shown(FreeTierBanner, { usage: { remainingRequests: 45, nearLimit: false } }),
    '<scalix-banner><div class="banner info"><div class="free-tier-info"><span>🚀 Free Tier</span>' +
      "<span>45 requests remaining today</span></div></div></scalix-banner>",
  );
});

test("near the limit it warns, and leads on", () => {
  const page = shown(FreeTierBanner, { usage: { remainingRequests: 3, nearLimit: true } });

  assert.match(page, /class="banner warning"/);
  assert.match(page, /<button type="button" class="upgrade-button">Upgrade to Pro<\/button>/);
});

test("without usage nothing is invented", () => {
  assert.equal(shown(FreeTierBanner, { usage: null }), "<scalix-banner></scalix-banner>");
});

test("a dashboard stands there before its numbers do", () => {
  const page = shown(FreeUsageDashboard, { userId: "me" });

  assert.match(page, /^<scalix-usage>.*<h3>Your Free Usage<\/h3>/);
  for (const label of ["Requests Today", "Tokens Used", "Reset Time", "N/A", "Upgrade to Unlimited Usage"]) {
    assert.match(page, new RegExp(label));
  }
  assert.doesNotMatch(page, /50|10,000/);
});
