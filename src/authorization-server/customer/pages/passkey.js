// The only script of the pages: its hash is in the Content-Security-Policy. Without it, a customer confirms in another way.
const field = document.querySelector('#passkey-answer');
const form = field.form;
const button = document.querySelector('#login');
const problem = document.querySelector('#passkey-problem');
const options = JSON.parse(field.dataset.options);

const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0));
const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
const withBytes = (list = []) => list.map((one) => ({ ...one, id: bytesOf(one.id) }));
const RESPONSE = ['clientDataJSON', 'authenticatorData', 'signature', 'userHandle', 'attestationObject'];

/** A new passkey where the options name a user, else the signature of one. */
function ask() {
  const { challenge, user, allowCredentials, excludeCredentials } = options;
  const publicKey = { ...options, challenge: bytesOf(challenge) };
  if (user === undefined) {
    return navigator.credentials.get({
      publicKey: { ...publicKey, allowCredentials: withBytes(allowCredentials) },
    });
  }
  return navigator.credentials.create({
    publicKey: {
      ...publicKey,
      user: { ...user, id: bytesOf(user.id) },
      excludeCredentials: withBytes(excludeCredentials),
    },
  });
}

/** As JSON (Web Authentication Level 3, AuthenticationResponseJSON and RegistrationResponseJSON). */
function answerOf({ id, type, response, authenticatorAttachment }) {
  const given = RESPONSE.filter((name) => response[name]).map((name) => [name, textOf(response[name])]);
  const transports = response.getTransports ? [['transports', response.getTransports()]] : [];
  return {
    id,
    rawId: id,
    type,
    ...(authenticatorAttachment && { authenticatorAttachment }),
    response: Object.fromEntries([...given, ...transports]),
    clientExtensionResults: {},
  };
}

form.addEventListener('submit', async (event) => {
  if (event.submitter !== button || field.value !== '') return;
  event.preventDefault();
  problem.hidden = true;
  button.disabled = true;
  try {
    field.value = JSON.stringify(answerOf(await ask()));
    button.disabled = false;
    form.requestSubmit(button);
  } catch {
    button.disabled = false;
    problem.hidden = false;
  }
});
