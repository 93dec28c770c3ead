// Checks that run inside of the page. Playwright evaluates this file and calls one of the functions.
({
  // Texts whose contrast is below WCAG 2.2 AA: 4.5, large text 3 (https://www.w3.org/TR/WCAG22/#contrast-minimum).
  contrast() {
    const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    const colour = (text) => text.match(/[\d.]+/g).map(Number);
    const background = (node) => {
      for (; node; node = node.parentElement) {
        const [red, green, blue, alpha = 1] = colour(getComputedStyle(node).backgroundColor);
        if (alpha === 1) return [red, green, blue];
        if (alpha > 0) throw new Error(`translucent background: ${node.className}`);
      }
      return [255, 255, 255];
    };
    const visible = { visibilityProperty: true, opacityProperty: true };
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement;
      if (!node.data.trim() || parent.matches("textarea, title, option, noscript")) continue;
      if (!parent.checkVisibility(visible) || parent.closest(".visually-hidden, :disabled, .skip")) continue;
      const style = getComputedStyle(parent);
      const front = colour(parent instanceof SVGElement ? style.fill : style.color);
      const [light, dark] = [luminance(front), luminance(background(parent))].sort((one, other) => other - one);
      const ratio = (light + 0.05) / (dark + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      if (ratio < (large ? 3 : 4.5)) poor.push(`${node.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
    return poor;
  },

  // Controls without a name for screen readers.
  unnamed() {
    const controls = "button, input, textarea, select, meter, dialog, [role=img], [role=region], a[href]";
    return [...document.querySelectorAll(controls)]
      .filter((node) => !(node.getAttribute("aria-label") || node.getAttribute("aria-labelledby")
        || node.labels?.length || node.textContent.trim()))
      .map((node) => node.outerHTML.slice(0, 120));
  },

  // Whether one sees where the focus is: an outline on the focused element, its row of the tree or its box.
  outlined() {
    const node = document.activeElement;
    const drawn = [node, node.closest(".ask-box"), node.querySelector(":scope > .tree-row")];
    return drawn.some((one) => one && getComputedStyle(one).outlineStyle !== "none");
  },

  // Levels of the visible headings in their order.
  headings() {
    return [...document.querySelectorAll("h1, h2, h3")].filter((head) => head.checkVisibility()).map((head) => Number(head.tagName[1]));
  },

  // A CSV file is dropped on the page.
  drop() {
    const data = new DataTransfer();
    data.items.add(new File(["fish,weight\ncod,3\n"], "fish.csv", { type: "text/csv" }));
    const options = { dataTransfer: data, bubbles: true, cancelable: true };
    for (const kind of ["dragover", "drop"]) window.dispatchEvent(new DragEvent(kind, options));
  },

  // Left and right end of what a chart draws, and its width.
  extent() {
    const chart = document.querySelector(".chart-drawing svg");
    const box = chart.getBBox();
    return [box.x, box.x + box.width, chart.clientWidth];
  },
})
