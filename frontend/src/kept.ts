// Small facts that a browser keeps between visits. Where it keeps none, nothing is remembered.

const PREFIX = "scalix-free.";

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Full, or forbidden.
  }
}

export function forget(name: string): void {
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // As above.
  }
}

/** Hear of changes that other windows make. Gives back what ends that. */
export function watch(name: string, changed: () => void): () => void {
  const hear = ({ key }: StorageEvent): void => {
    if (key === null || key === PREFIX + name) changed();
  };
  window.addEventListener("storage", hear);
  return () => window.removeEventListener("storage", hear);
}
