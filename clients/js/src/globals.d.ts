/** Electron's, in a preload script and in CommonJS. */
declare var require: ((id: "electron") => unknown) | undefined;
