import asyncio

import django
from django.conf import settings
from django.core.exceptions import FieldError, SynchronousOnlyOperation
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

# region the tables, in memory
DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(DATABASES={"default": DATABASE}, DEBUG=False)
django.setup()


class Customer(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "shop"


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)

    class Meta:
        app_label = "shop"


# endregion
def count(orders: "models.QuerySet[Order]") -> int:
    """Return how many queries it takes to name the customers of ten orders."""
    with CaptureQueriesContext(connection) as queries:
        for order in orders:
            order.customer.name.upper()
    return len(queries)


async def read() -> None:
    """Read an order where a call must not block."""
    Order.objects.first()


def main() -> None:
    with connection.schema_editor() as tables:
        tables.create_model(Customer)
        tables.create_model(Order)
    for number in range(10):
        customer = Customer.objects.create(name=f"customer {number}")
        Order.objects.create(customer=customer)
    print("as written first:", count(Order.objects.all()), "queries")
    #> as written first: 11 queries
    joined = Order.objects.select_related("customer")
    print("told what to load:", count(joined), "query")
    #> told what to load: 1 query
    second = Order.objects.prefetch_related("customer")
    print("in a second query:", count(second), "queries")
    #> in a second query: 2 queries
    try:
        Order.objects.filter(custmer=1)
    except FieldError as error:
        print("a wrong name:", type(error).__name__)
        #> a wrong name: FieldError
    try:
        asyncio.run(read())
    except SynchronousOnlyOperation as error:
        print("in a coroutine:", type(error).__name__)
        #> in a coroutine: SynchronousOnlyOperation


if __name__ == "__main__":
    main()
