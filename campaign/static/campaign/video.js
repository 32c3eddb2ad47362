// A video begins when its button is pressed: until then nothing of its host is loaded.
(() => {
  "use strict";

  for (const box of document.querySelectorAll("[data-video]")) {
    const button = box.querySelector("button");
    button.hidden = false;
    button.addEventListener("click", () => {
      const frame = document.createElement("iframe");
      frame.src = box.dataset.video;
      frame.title = box.dataset.title;
      frame.allow = "autoplay; fullscreen; picture-in-picture";
      frame.allowFullscreen = true;
      box.replaceChildren(frame);
      frame.focus();
    });
  }
})();
