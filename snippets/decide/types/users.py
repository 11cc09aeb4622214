from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class User:
    id: int
    email: str


@dataclass
class UserService:
    users: dict[int, User] = field(default_factory=dict)

    def add(self, user: User) -> None:
        self.users[user.id] = user

    def find(self, user_id: int) -> User | None:
        return self.users.get(user_id)

    def emails(self, ids: Iterable[int]) -> list[str]:
        found = [self.find(user_id) for user_id in ids]
        return [user.email for user in found if user is not None]


def main() -> None:
    service = UserService()
    service.add(User(1, "ada@example.org"))
    print(service.emails([1, 2]))
    #> ['ada@example.org']


if __name__ == "__main__":
    main()
