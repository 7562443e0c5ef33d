"""Who may see and do what in a project. A project that is not yours does not exist for you."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _

from annotator.errors import Forbidden, NotFound
from annotator.models import Project, Role, User
from annotator.selectors.rows import columns, instance
from annotator.statements import Statement

_MEMBER = Statement(f"""
SELECT m.role, {columns(Project, "p")} FROM annotator_project p
JOIN annotator_membership m ON m.project_id = p.id AND m.user_id = %(user)s WHERE p.slug = %(slug)s
""")


@dataclass(frozen=True, slots=True)
class Access:
    """A project with what the caller is in it."""

    project: Project
    role: Role

    @property
    def owns(self) -> bool:
        return self.role == Role.OWNER

    @property
    def judges(self) -> bool:
        return self.role in (Role.OWNER, Role.ANNOTATOR)

    @property
    def reads(self) -> bool:
        """May see everybody's data: owners and viewers."""
        return self.role in (Role.OWNER, Role.VIEWER)


def project_for(user: User | AnonymousUser, slug: str, *roles: Role) -> Access:
    """The project by its slug, for one of its members.

    Raises ``NotFound`` unless the user is a member (or a superuser, who counts as owner) and their token reaches the
    project, ``Forbidden`` where the member has none of ``roles`` (none given: any will do).
    """
    if not isinstance(user, User):
        raise NotFound(_("There is no project “%(slug)s”.") % {"slug": slug})
    if found := _MEMBER.run({"user": user.pk, "slug": slug}):
        role, *values = found[0]
        access = Access(instance(Project, values), Role(role))
    elif user.is_superuser and (project := Project.objects.filter(slug=slug).first()):
        access = Access(project, Role.OWNER)
    else:
        raise NotFound(_("There is no project “%(slug)s”.") % {"slug": slug})
    if user.reaches_only not in (None, access.project.pk):
        raise NotFound(_("There is no project “%(slug)s”.") % {"slug": slug})
    if roles and access.role not in roles:
        wanted = _(" or ").join(Role(role).label.lower() for role in roles)
        raise Forbidden(
            _("This needs the role %(wanted)s; yours is %(label)s.")
            % {"wanted": wanted, "label": access.role.label.lower()}
        )
    return access
