// An app of one screen, for a real browser: it has a host, and changes when it is told to.
import { createElement, useState } from "react";
import { createRoot } from "react-dom/client";
import { FreeTierBanner, FreeUsageDashboard } from "../dist/index.js";

window.upgrades = 0;
window.asked = [];
window.electronAPI = {
  getFreeUsage: async (userId) => {
    window.asked.push(userId);
    if (window.host !== undefined) return window.host();
    return { requestsToday: 12, tokensUsed: 2345, resetTime: "2099-01-01T15:00:00Z", remainingRequests: 8, nearLimit: false };
  },
};

function App() {
  const [usage, setUsage] = useState({ remainingRequests: 45, nearLimit: false });
  const [userId, setUserId] = useState("ada");
  window.show = setUsage;
  window.become = setUserId;
  const onUpgrade = () => (window.upgrades += 1);
  return [
    createElement(FreeTierBanner, { key: "banner", usage, onUpgrade }),
    createElement(FreeUsageDashboard, { key: "usage", userId, onUpgrade }),
  ];
}

createRoot(document.querySelector("#app")).render(createElement(App));
