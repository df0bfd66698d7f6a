"""Who may come in: INDIGO IAM says who somebody is, the facility file what that opens.

``IAMAuthenticator`` only carries values: the IAM's answer is verified in ``iam_client``,
the name is the register's (in the service), and ``policy.access`` decides. Nobody is
allowed by a setting of the hub, and who is an administrator is decided anew at every
login.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyterhub import orm
from oauthenticator.oauth2 import OAuthenticator
from pydantic import ValidationError
from sqlalchemy import bindparam, select
from traitlets import Float, TraitError, Unicode, default

from jupyterhub_af.line.peer import PeerAwayError
from jupyterhub_af.policy.access import Access, resolve_access
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.freshness import Word, hear_groups
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.messages import Account, AccountRequest, AuditEvent

from .acts import watch_acts
from .auth_record import AuthRecord, to_auth_state
from .compat import quiet_stale_cookies
from .doors import make_door_handlers
from .flood import bound_strangers, is_stranger
from .iam_answers import Person, Tokens
from .iam_client import IAMClient
from .id_token import UnverifiedError
from .live_access import LiveAccess
from .metrics import count_dropped_group_values
from .pages import make_page_handlers
from .recheck import make_recheck_handlers
from .refused_login import AccessRefusedError, SignInError, to_sign_in_error
from .secret_file import read_secret
from .sign_in import IAMCallbackHandler, IAMLoginHandler, nonce_of

if TYPE_CHECKING:
    from jupyterhub.handlers import BaseHandler
    from jupyterhub.user import User

# settings of the hub that would decide beside the facility file
_DECIDED_BY_FACILITY = (
    "allow_all",
    "allow_existing_users",
    "allowed_groups",
    "allowed_scopes",
    "allowed_users",
    "admin_groups",
    "admin_users",
    "username_map",
)


_USER_ID = select(orm.User.id).where(orm.User.name == bindparam("name"))


def _is_user(handler: BaseHandler, name: str) -> bool:
    """Tell whether the hub has a user of that name, without loading all there is of them."""
    return handler.db.execute(_USER_ID, {"name": name}).first() is not None


class IAMAuthenticator(LiveAccess, OAuthenticator):
    """Log people in through INDIGO IAM."""

    login_handler = IAMLoginHandler
    callback_handler = IAMCallbackHandler

    client_secret_file = Unicode(
        config=True,
        help="""
        File with the secret of this hub's client at the IAM, of mode 0600. Empty: the
        client has none (a public client, which PKCE protects).
        """,
    )
    iam_timeout_seconds = Float(
        5.0,
        config=True,
        help="How many seconds the IAM has for each answer.",
    )

    _iam: IAMClient | None = None
    # whom the register has bound already: it asks no more whether a name is an old user's
    _bound: set[tuple[str, str]]

    @default("enable_auth_state")
    def _default_enable_auth_state(self) -> bool:
        return True

    @default("manage_groups")
    def _default_manage_groups(self) -> bool:
        return True

    @default("scope")
    def _default_scope(self) -> list[str]:
        # the WLCG form gives groups only to who asks for them
        claim = self.facility().iam.groups_claim
        more = ["wlcg.groups"] if claim == "wlcg.groups" else []
        return ["openid", "profile", "email", "offline_access", *more]

    @default("login_service")
    def _default_login_service(self) -> str:
        return "INDIGO IAM"

    def __init__(self, **kwargs: Any) -> None:
        """Refuse to be made without a valid facility file."""
        super().__init__(**kwargs)
        self.log.addFilter(quiet_stale_cookies)
        self._bound = set()
        try:
            self.facility()
        except (AFError, OSError, UnicodeDecodeError) as error:
            msg = (
                f"The facility file cannot be used, so the hub does not start: {error}"
            )
            raise TraitError(msg) from None

    def check_allow_config(self) -> None:
        """Refuse settings of the hub that would decide beside the facility file."""
        set_here = [name for name in _DECIDED_BY_FACILITY if getattr(self, name)]
        if set_here:
            msg = (
                f"{', '.join(set_here)}: the facility file decides who may log in and "
                "who is an administrator (access.allowed_groups, access.admin_groups). "
                "Remove this from the hub's configuration."
            )
            raise TraitError(msg)
        if self.client_secret:
            msg = "client_secret: put the secret into a file and name it in client_secret_file."
            raise TraitError(msg)
        for name in ("enable_auth_state", "enable_pkce", "manage_groups"):
            if not getattr(self, name):
                msg = f"{name} must stay on."
                raise TraitError(msg)
        self.check_live_access()
        if not (self.client_id and self.oauth_callback_url):
            msg = (
                "client_id and oauth_callback_url must be set as the IAM has them "
                "(https://the.hub/hub/oauth_callback)."
            )
            raise TraitError(msg)

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """Return the way through the IAM, and our doors and pages before the hub's own."""
        strangers = bound_strangers(app)
        watch_acts(app, self.audit_writer)
        return [
            *strangers,
            *super().get_handlers(app),
            *make_door_handlers(),
            *make_page_handlers(),
            *make_recheck_handlers(),
        ]

    def iam(self) -> IAMClient:
        """Return the one client of the IAM; its issuer is the one of the first call."""
        if self._iam is None:
            self._iam = IAMClient(
                self.facility().iam.issuer,
                self.client_id,
                timeout_seconds=self.iam_timeout_seconds,
                log=self.log,
            )
        return self._iam

    def delete_user(self, user: User) -> None:
        """Forget somebody whom the hub deletes."""
        super().delete_user(user)
        self.rechecks.forget(user)

    async def find_iam(self) -> None:
        """Find where to send people; ``SignInError`` if the IAM does not answer."""
        try:
            endpoints = await self.iam().ready()
        except AFError as error:
            raise self._refuse(error) from None
        self.authorize_url = endpoints.authorization
        self.token_url = endpoints.token
        self.userdata_url = endpoints.userinfo

    def _refuse(self, error: AFError) -> SignInError:
        """Return the page for an error, after one line in the log."""
        refusal = to_sign_in_error(error, self.facility())
        tell = self.log.error if refusal.status >= 500 else self.log.warning
        tell("logged nobody in, rule %s: %s", refusal.rule, error)
        return refusal

    def build_access_tokens_request_params(
        self,
        handler: BaseHandler,
        data: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        """Return the form for the token endpoint, with the secret of the file."""
        params = super().build_access_tokens_request_params(handler, data)
        params.pop("client_secret", None)
        params.update(self.client_credentials())
        return {key: value for key, value in params.items() if value is not None}

    def client_credentials(self) -> dict[str, str]:
        """Return what identifies this hub at the IAM, the secret fresh from its file."""
        credentials = {"client_id": self.client_id}
        if self.client_secret_file:
            credentials["client_secret"] = read_secret(Path(self.client_secret_file))
        return credentials

    async def authenticate(
        self,
        handler: BaseHandler,
        data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return who logs in; a ``SignInError`` carries the page if nobody does."""
        try:
            return await super().authenticate(handler, data, **kwargs)
        except SignInError:
            raise
        except AFError as error:
            raise self._refuse(error) from None

    async def get_token_info(
        self, handler: BaseHandler, params: Mapping[str, str]
    ) -> dict[str, Any]:
        """Exchange the code and verify what comes; no raw ID token leaves from here."""
        iam = self.iam()
        tokens = await iam.exchange(params)
        person = await iam.identify(
            tokens,
            nonce_of(handler.get_state_cookie()),
            self.facility().iam.groups_claim,
        )
        # by the IAM's word: what is logged from here on is about a person
        is_stranger.set(False)
        account = await self._bind(handler, person)
        if person.groups.dropped:
            count_dropped_group_values(person.groups.dropped)
            self.log.warning(
                "dropped %d values of the groups of %s: not groups of this facility's form",
                person.groups.dropped,
                account.name,
            )
        return {"tokens": tokens, "person": person, "account": account}

    async def _bind(self, handler: BaseHandler, person: Person) -> Account:
        """Return the account that the register has for a person, or makes now."""
        name = self.normalize_username(person.preferred_username)
        who = (person.issuer, person.subject)
        try:
            request = AccountRequest(
                issuer=person.issuer,
                subject=person.subject,
                preferred_username=person.preferred_username,
                is_known_to_hub=who not in self._bound and _is_user(handler, name),
            )
        except ValidationError:
            raise UnverifiedError("username") from None
        service = self.service_peer()
        account = await service.ask("/internal/accounts", request, Account)
        if self.normalize_username(account.name) != account.name:
            msg = f"The service gave the name {account.name!r}, which the hub would change."
            raise PeerAwayError(msg)
        self._bound.add(who)
        return account

    async def token_to_user(self, token_info: Mapping[str, Any]) -> dict[str, Any]:
        """Return the verified person as upstream's user info."""
        person: Person = token_info["person"]
        account: Account = token_info["account"]
        return {
            "name": account.name,
            "iss": person.issuer,
            "sub": person.subject,
            "groups": sorted(person.groups.groups),
        }

    def user_info_to_username(self, user_info: Mapping[str, Any]) -> str:
        """Return the register's name."""
        return str(user_info["name"])

    def build_auth_state_dict(
        self, token_info: Mapping[str, Any], user_info: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what the hub keeps, encrypted: tokens to renew, and who it was."""
        tokens: Tokens = token_info["tokens"]
        person: Person = token_info["person"]
        now, lives = self.clock(), tokens.expires_in
        self.note_refresh_token(tokens)
        record = AuthRecord(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            scopes=tokens.scopes,
            issuer=user_info["iss"],
            subject=user_info["sub"],
            word=hear_groups(Word(), frozenset(user_info["groups"]), now),
            login_at=now,
            auth_time=person.auth_time,
            token_obtained_at=now,
            token_expires_at=None if lives is None else now + lives,
            client_id=self.client_id,
        )
        return to_auth_state(record)

    async def get_user_groups(self, auth_state: Mapping[str, Any]) -> set[str]:
        """Return the groups that become the hub's."""
        return set(auth_state["groups"])

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Say at every login whether somebody is an administrator, so that it can end."""
        groups = await self.get_user_groups(auth_model["auth_state"])
        auth_model["admin"] = self._resolve(auth_model["name"], groups).admin
        return auth_model

    def _resolve(self, name: str, groups: set[str]) -> Access:
        return resolve_access(self.facility(), make_identity(name, groups))

    async def check_allowed(
        self, username: str, auth_model: Mapping[str, Any] | None
    ) -> bool:
        """Ask the facility alone; the refusal names groups seen and groups wanted."""
        # the hub asks in a task of its own, which has not seen what authenticate set
        is_stranger.set(False)
        groups = set((auth_model or {}).get("groups") or ())
        access = self._resolve(username, groups)
        await self._record(access)
        if access.may_log_in:
            return True
        self.log.info("refused the login of %s: no allowed group", username)
        raise AccessRefusedError(self.facility(), access)

    async def _record(self, access: Access) -> None:
        """Tell the service's audit of a login; a service that is away, later."""
        event = AuditEvent(
            actor=access.identity.user,
            action="login",
            rule="" if access.may_log_in else "login-not-allowed",
            result="allowed" if access.may_log_in else "refused",
        )
        await self.audit_writer().write(event)
