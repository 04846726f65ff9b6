// Passkeys: the browser's part. Without this file, or where the browser has none, passwords work as they are.
"use strict";

(() => {
  if (!window.isSecureContext || !window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // What the server says, as the browser takes it.
  function given(options) {
    const found = { ...options, challenge: bytes(options.challenge) };
    if (options.user) found.user = { ...options.user, id: bytes(options.user.id) };
    for (const list of ["excludeCredentials", "allowCredentials"]) {
      if (options[list]) found[list] = options[list].map((one) => ({ ...one, id: bytes(one.id) }));
    }
    return found;
  }

  // What the authenticator answered, as the server reads it.
  function taken(credential) {
    const response = {};
    for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[part]) response[part] = text(credential.response[part]);
    }
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  }

  async function run(form) {
    const told = form.querySelector("[data-told]");
    told.textContent = "";
    const fields = new URLSearchParams({ csrf: form.elements.csrf.value });
    const answer = await fetch(form.dataset.begin, {
      method: "POST", body: fields, credentials: "same-origin", headers: { "HX-Request": "true" },
    });
    if (!answer.ok) {
      // Refused with a reason that a person can read; a fault is not shown.
      told.textContent = answer.status === 409 ? await answer.text() : form.dataset.problem;
      return;
    }
    const { state, options } = await answer.json();
    const asked = { publicKey: given(options) };
    const isNew = form.dataset.passkey === "new";
    const credential = await (isNew ? navigator.credentials.create(asked) : navigator.credentials.get(asked));
    form.elements.state.value = state;
    form.elements.credential.value = taken(credential);
    form.submit();
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(form).catch(() => { form.querySelector("[data-told]").textContent = form.dataset.problem; });
    });
  }
})();
