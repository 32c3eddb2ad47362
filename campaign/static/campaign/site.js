// The button of the give box. Every page reads and works without this file.
(() => {
  "use strict";

  // The give box says on its button what it will do.
  const box = document.querySelector(".give-box form");
  if (box) {
    const button = box.querySelector("button");
    const other = box.elements.other_amount;
    const plain = button.textContent;
    const label = () => {
      const chosen = box.querySelector("[name=amount]:checked");
      const amount = chosen && (chosen.nextElementSibling.querySelector("b") || chosen.nextElementSibling).textContent;
      button.textContent = !other.value.trim() && amount ? button.dataset.words.replace("{}", amount) : plain;
    };
    box.addEventListener("input", (event) => {
      if (event.target.name === "amount") other.value = "";
      if (event.target === other && other.value.trim()) box.querySelectorAll("[name=amount]").forEach((preset) => { preset.checked = false; });
      label();
    });
    label();
  }
})();
