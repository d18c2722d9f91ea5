// xterm.js writes its styles where our content security policy allows none: into <style> elements and `style` attributes. The same can be done by objects,
// which the policy allows, since a script of ours does it. So, on the terminal's page, whoever makes a <style> gets an element that hands its text to a
// sheet, and a span's attribute is set as its property. To be imported before xterm.js is used.

const create = document.createElement.bind(document);

const styleElement = () => {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  const element = create("template");
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text) });
  return element;
};

document.createElement = (name, options) => (name === "style" ? styleElement() : create(name, options));

HTMLSpanElement.prototype.setAttribute = function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
};
