/**
 * What of Electron the handlers touch, as its documentation has it: values cross by the structured
 * clone algorithm, a handler's error arrives as a text alone, a channel has one handler, a name of
 * the window is exposed once, and functions that are exposed are called from the other side.
 */
export class Electron {
  window = {};
  sender = new EventTarget();
  #handlers = new Map();

  ipcMain = {
    handle: (channel, handler) => {
      if (this.#handlers.has(channel)) {
        throw new Error(`Attempted to register a second handler for '${channel}'`);
      }
      this.#handlers.set(channel, handler);
    },
    removeHandler: (channel) => void this.#handlers.delete(channel),
  };

  ipcRenderer = {
    invoke: async (channel, ...args) => {
      const sent = structuredClone(args);
      try {
        const handler = this.#handlers.get(channel);
        if (handler === undefined) throw new Error(`No handler registered for '${channel}'`);
        return structuredClone(await handler(this.#event(), ...sent));
      } catch (error) {
        throw new Error(`Error invoking remote method '${channel}': ${error}`);
      }
    },
  };

  contextBridge = {
    exposeInMainWorld: (name, api) => {
      if (name in this.window) {
        throw new Error("Cannot bind an API on top of an existing property on the window object");
      }
      this.window[name] = crossed(api);
    },
  };

  /** The window is closed. */
  close() {
    this.sender.dispatchEvent(new Event("destroyed"));
  }

  #event() {
    const { sender } = this;
    return {
      senderFrame: { url: "app://main/index.html" },
      sender: {
        once: (name, heard) => sender.addEventListener(name, heard, { once: true }),
        removeListener: (name, heard) => sender.removeEventListener(name, heard),
      },
    };
  }
}

function crossed(value) {
  if (typeof value === "function") {
    return async (...args) => structuredClone(await value(...structuredClone(args)));
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, crossed(inner)]));
}
