from sqlalchemy import Engine, ForeignKey, create_engine, orm, select


# region the table of the customers
class Base(orm.DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]


# endregion
class Order(Base):
    __tablename__ = "orders"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    customer_id: orm.Mapped[int] = orm.mapped_column(ForeignKey("customers.id"))
    customer: orm.Mapped[Customer] = orm.relationship(lazy="raise_on_sql")


def names(engine: Engine) -> list[str]:
    """Return the name of each order's customer."""
    query = select(Order).options(orm.selectinload(Order.customer))
    with orm.Session(engine) as session:
        return [order.customer.name for order in session.scalars(query)]


# region a database to try it on
def filled() -> Engine:
    """Return a database with ten orders of ten customers."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        customers = [Customer(name=f"Ann the {n}th") for n in range(10)]
        session.add_all(Order(customer=customer) for customer in customers)
        session.commit()
    return engine


# endregion


if __name__ == "__main__":
    print(len(names(filled())), "names")
    #> 10 names
