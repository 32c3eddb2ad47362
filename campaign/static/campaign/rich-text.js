// Turns text areas into the editor: paragraphs, one size of headings, bold, italic, links, lists, quotations. No files.
(() => {
  "use strict";

  const { Trix } = window;
  Trix.config.blockAttributes.heading1.tagName = "h2";
  const LEFT_OUT = "[data-trix-attribute=strike], [data-trix-attribute=code], .trix-button-group--file-tools";

  // It tells how a page reads, so the field itself stays what is sent.
  function edited(area) {
    const kept = document.createElement("input");
    kept.type = "hidden";
    kept.name = area.name;
    kept.id = `${area.id}_html`;
    kept.value = area.value;
    const editor = document.createElement("trix-editor");
    editor.id = area.id;
    editor.setAttribute("input", kept.id);
    editor.className = "prose-editor";
    const label = document.querySelector(`label[for="${area.id}"]`);
    if (label) editor.setAttribute("aria-label", label.textContent.replace(/:\s*$/, ""));
    const help = area.getAttribute("aria-describedby");
    if (help) editor.setAttribute("aria-describedby", help);
    area.replaceWith(kept, editor);
  }

  document.addEventListener("trix-initialize", (event) => {
    event.target.toolbarElement?.querySelectorAll(LEFT_OUT).forEach((part) => part.remove());
  });
  document.addEventListener("trix-file-accept", (event) => event.preventDefault());
  document.addEventListener("trix-attachment-add", (event) => event.attachment.remove());
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("textarea[data-rich-text]").forEach(edited);
  });
})();
