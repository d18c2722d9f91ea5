// Makes one element like another with the fewest changes, so that focus, scrolling, selections and half-written forms stay.
// Children are matched by `data-key`, else by position and kind. What is inside `data-keep` belongs to another module and is left alone.

const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key ?? node.id ?? "" : "");
const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && key(a) === key(b);

const attributes = (old, fresh) => {
  for (const { name } of [...old.attributes]) {
    // A `details` stays as the reader left it; what the modules set belongs to them.
    if (!fresh.hasAttribute(name) && name !== "open" && name !== "data-busy") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
};

export const morph = (old, fresh) => {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.hasAttribute("data-keep")) return;
  attributes(old, fresh);
  // What a person has typed or is choosing is not undone.
  if (old.matches("form") && (old.contains(document.activeElement) || old.hasAttribute("data-auto"))) return;
  children(old, fresh);
};

const children = (old, fresh) => {
  const keyed = new Map([...old.children].filter(key).map((node) => [key(node), node]));
  let here = old.firstChild;
  for (const want of [...fresh.childNodes]) {
    const known = key(want) ? keyed.get(key(want)) : undefined;
    if (known && known !== here && alike(known, want)) {
      old.insertBefore(known, here);
      morph(known, want);
    } else if (here && alike(here, want)) {
      const next = here.nextSibling;
      morph(here, want);
      here = next;
    } else {
      old.insertBefore(document.importNode(want, true), here);
    }
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
};
