"""What the hub itself keeps of a person's access: groups, and being an administrator."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jupyterhub.roles import assign_default_roles
from sqlalchemy.exc import SQLAlchemyError

from jupyterhub_af.policy.access import Access

if TYPE_CHECKING:
    from jupyterhub.user import User


def settle_person(user: User, access: Access | None, log: logging.Logger) -> bool:
    """Give a person what their access says, and nothing (None) to whom it ended.

    False: the database refused the write, which is to be tried again. Who decides goes
    by the access meanwhile.
    """
    groups = access.identity.groups if access else frozenset()
    is_admin = access.admin if access else False
    try:
        user.sync_groups(sorted(groups))
        if user.admin != is_admin:
            user.admin = is_admin
            assign_default_roles(user.db, entity=user.orm_user)
            user.db.commit()
    except SQLAlchemyError as error:
        user.db.rollback()
        log.error(
            "could not store the groups of %s (%s)", user.name, type(error).__name__
        )
        return False
    return True
