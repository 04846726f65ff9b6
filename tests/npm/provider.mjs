// An OpenID provider for the tests: npm's oidc-provider, on loopback, with the people and the client that the test says
// on standard input. Its forms are oidc-provider's own for development: any password is right.
import { createInterface } from "node:readline";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const line = await new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve));
const { people, client } = JSON.parse(line);

// The port first: the issuer is made of it.
let answer = (_request, response) => response.writeHead(503).end();
const server = createServer((request, response) => answer(request, response));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [client],
  // Claims in the id_token itself, as most providers of a college do it.
  conformIdTokenClaims: false,
  claims: { openid: ["sub"], profile: ["preferred_username"], email: ["email", "email_verified"] },
  pkce: { required: () => true },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...(people[id] ?? {}) }) }),
});
answer = provider.callback();
console.log(`issuer ${issuer}`);
