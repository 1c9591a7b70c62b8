// Small things that every part of the page uses.

export const part = id => document.getElementById(id);

// An element with attributes and children; strings become text, never markup.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export const show = (element, on) => { element.hidden = !on; };

// "Pleural_Thickening" in words.
export const words = name => name.replaceAll("_", " ");

export const percent = p => (100 * p).toFixed(p > 0 && p < 0.0995 || p > 0.9905 && p < 1 ? 1 : 0) + " %";

// For screen readers: what has just happened.
export function tell(text) {
  part("news").textContent = text;
}

export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
