"""A dlt pipeline: all users of BASE_URL into DuckDB, by following Link headers.

Prints {"rows": N, "distinct": N} of what is in the database afterwards. It knows
nothing of Claviger: a base URL, OAuth client credentials, a public paginator.
"""
import json
import os

import dlt
import duckdb
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator

base, work = os.environ["BASE_URL"], os.environ["WORK"]
client = RESTClient(
    base_url=f"{base}/api",
    paginator=HeaderLinkPaginator(),
    auth=OAuth2ClientCredentials(
        access_token_url=f"{base}/oidc/token",
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
        access_token_request_data={"resource": os.environ["RESOURCE"], "scope": "all"},
    ),
)


@dlt.resource(name="users", write_disposition="replace")
def users():
    yield from client.paginate("/users", params={"page_size": 10})


pipeline = dlt.pipeline(
    "rows", pipelines_dir=f"{work}/pipelines", dataset_name="logto",
    destination=dlt.destinations.duckdb(f"{work}/rows.duckdb"))
pipeline.run(users()).raise_on_failed_jobs()
with duckdb.connect(f"{work}/rows.duckdb") as database:
    rows, distinct = database.execute("SELECT count(*), count(DISTINCT id) FROM logto.users").fetchone()
print(json.dumps({"rows": rows, "distinct": distinct}))
