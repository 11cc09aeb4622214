from dataclasses import dataclass


@dataclass
class User:
    id: int
    email: str


class UserService:
    users: dict[int, User]

    def add(self, user: User) -> None:
        self.users[user.id] = user
