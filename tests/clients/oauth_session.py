"""Authlib's OAuth 2 session at BASE_URL: a token by METHOD, calls with it, a new one in time, and refusals.

It knows nothing of Claviger: a base URL and client credentials, as for any OAuth 2 server. The tokens of
BASE_URL are to live for a few seconds only. Ends with an AssertionError where something is not as wanted.
"""
import os
import time

import requests
from authlib.integrations.requests_client import OAuth2Session, OAuthError

base, method = os.environ["BASE_URL"], os.environ["METHOD"]
users, roles = f"{base}/api/users?page_size=1", f"{base}/api/roles"
renewed = []


def session(secret):
    return OAuth2Session(
        os.environ["CLIENT_ID"], secret, token_endpoint=f"{base}/oidc/token", token_endpoint_auth_method=method,
        grant_type="client_credentials", scope="all", default_timeout=60,
        leeway=2,  # seconds before its end that a token counts as over; the default is a minute
        update_token=lambda token, access_token: renewed.append((access_token, token["access_token"])))


def refused(attempt):
    try:
        attempt()
    except OAuthError as error:
        return error
    raise AssertionError("wanted OAuthError; nothing was raised")


# --- a token, and calls with it
logto = session(os.environ["CLIENT_SECRET"])
token = logto.fetch_token(resource=os.environ["RESOURCE"])
first = token["access_token"]
assert token["token_type"] == "Bearer" and 3 <= token["expires_in"] <= 10, "the token's kind and life"
for _ in range(2):
    answer = logto.get(users)
    assert answer.status_code == 200 and isinstance(answer.json(), list), f"a call: {answer.status_code} {answer.text}"

# --- an operation that is not granted
denied = logto.get(roles)
assert denied.status_code == 403, f"not granted: {denied.status_code} {denied.text}"
assert denied.headers["Content-Type"].startswith("application/problem+json"), "not granted: media type"
assert denied.json()["code"] == "claviger.not_permitted", f"not granted: {denied.text}"
assert "ListRoles" in denied.json()["detail"], f"not granted: the operation is named: {denied.text}"

# --- the session gets itself another token, and no call fails meanwhile
end = time.monotonic() + 60
while not renewed:
    assert time.monotonic() < end, "no new token within a minute"
    answer = logto.get(users)
    assert answer.status_code == 200, f"a call around the renewal: {answer.status_code} {answer.text}"
    time.sleep(0.05)
assert renewed[0] == (first, logto.token["access_token"]) and renewed[0][1] != first, "the new token is another one"
while (answer := requests.get(users, headers={"Authorization": f"Bearer {first}"}, timeout=60)).status_code != 401:
    assert answer.status_code == 200, f"the first token: {answer.status_code} {answer.text}"
    assert time.monotonic() < end, "the first token is good for more than a minute"
    time.sleep(0.05)
assert logto.get(users).status_code == 200, "a call when the first token is over"

# --- what the library reports of a refused token request
error = refused(session(f"{os.environ['CLIENT_SECRET']}x").fetch_token)
assert error.error == "invalid_client", f"wrong secret: {error}"
assert error.description and error.description.isascii(), f"wrong secret: {error!r}"
assert '"' not in error.description and "\\" not in error.description, f"wrong secret, RFC 6749 5.2: {error!r}"
error = refused(lambda: session(os.environ["CLIENT_SECRET"]).fetch_token(grant_type="password", username="u", password="p"))
assert error.error == "unsupported_grant_type", f"another grant type: {error}"
print(f"{method}: {len(renewed)} renewed")
