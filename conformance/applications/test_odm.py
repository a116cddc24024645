"""An object mapper's own flow against a sandbox cluster: Beanie, over pymongo's asynchronous client."""

import datetime
import os

import pymongo
import pytest
from beanie import Document, Indexed, Link, PydanticObjectId, init_beanie
from beanie.operators import ElemMatch, In, Inc, Push, Set
from pydantic import BaseModel, Field
from pymongo import AsyncMongoClient, IndexModel
from pymongo.errors import DuplicateKeyError

URI = f"mongodb://{os.environ['DB_IP']}:{os.environ['DB_PORT']}/?replicaSet=portolan"


class Author(Document):
    name: Indexed(str, unique=True)
    born: int | None = None

    class Settings:
        name = "authors"


class Chapter(BaseModel):
    title: str
    pages: int


class Book(Document):
    title: str
    author: Link[Author]
    chapters: list[Chapter] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    sold: int = 0
    published: datetime.datetime

    class Settings:
        name = "books"
        indexes = [
            "tags",
            IndexModel([("title", pymongo.ASCENDING)], collation={"locale": "en", "strength": 2}),
            IndexModel([("sold", pymongo.DESCENDING)], partialFilterExpression={"sold": {"$gt": 0}}),
        ]


class Sale(BaseModel):
    id: str = Field(alias="_id")
    sold: int


@pytest.fixture
async def library():
    client = AsyncMongoClient(URI)
    await client.drop_database("library")
    await init_beanie(database=client["library"], document_models=[Author, Book])
    yield client
    await client.drop_database("library")
    await client.close()


def book(title, author, sold=0, tags=(), pages=(10,)):
    chapters = [Chapter(title=f"{title} {n}", pages=count) for n, count in enumerate(pages)]
    published = datetime.datetime(2024, 1, 1 + sold % 28)
    return Book(
        title=title, author=author, sold=sold, tags=list(tags), chapters=chapters, published=published
    )


async def test_documents_come_and_go(library):
    le_guin = await Author(name="Le Guin", born=1929).insert()
    with pytest.raises(DuplicateKeyError) as caught:
        await Author(name="Le Guin").insert()
    assert caught.value.details["keyValue"] == {"name": "Le Guin"}
    await Book.insert_many([
        book("The Dispossessed", le_guin, 5, ["sf", "utopia"], [10, 30]),
        book("Lavinia", le_guin, 1, ["myth"], [7]),
        book("Orsinia", le_guin, 0, ["myth", "short"]),
    ])
    found = await Book.find(Book.sold > 0, fetch_links=True).sort(-Book.sold).to_list()
    assert [(one.title, one.author.name) for one in found] == [
        ("The Dispossessed", "Le Guin"),
        ("Lavinia", "Le Guin"),
    ]
    assert await Book.find(In(Book.tags, ["myth"])).count() == 2
    long = await Book.find(ElemMatch(Book.chapters, {"pages": {"$gt": 20}})).to_list()
    assert [one.title for one in long] == ["The Dispossessed"]
    assert await Book.distinct("tags") == ["sf", "utopia", "myth", "short"]


async def test_updates_upserts_and_replacements(library):
    author = await Author(name="Calvino").insert()
    one = await book("Cosmicomics", author, 2).insert()
    await one.update(Inc({Book.sold: 3}), Push({Book.tags: "stories"}))
    assert (one.sold, one.tags) == (5, ["stories"])
    await Book.find(Book.title == "Cosmicomics").update(Set({"chapters.$[long].pages": 99}), array_filters=[{"long.pages": {"$gte": 10}}])
    again = await Book.get(one.id)
    assert again.chapters[0].pages == 99
    again.title = "Le cosmicomiche"
    await again.replace()
    again.sold = 7
    await again.save()
    assert (await Book.find_one(Book.title == "Le cosmicomiche")).sold == 7
    fresh = book("Palomar", author, 1)
    await Book.find_one(Book.title == "Palomar").upsert(Set({Book.sold: 9}), on_insert=fresh)
    await Book.find_one(Book.title == "Palomar").upsert(Set({Book.sold: 9}), on_insert=fresh)
    assert (await Book.find_one(Book.title == "Palomar")).sold == 9
    await Book.find(Book.sold >= 9).delete()
    assert await Book.count() == 1


async def test_aggregations_and_aggregates(library):
    author = await Author(name="Lem").insert()
    await Book.insert_many([book(f"B{n}", author, n, [("even", "odd")[n % 2]]) for n in range(10)])
    pipeline = [
        {"$unwind": "$tags"},
        {"$group": {"_id": "$tags", "sold": {"$sum": "$sold"}}},
        {"$sort": {"_id": 1}},
    ]
    sums = await Book.aggregate(pipeline, projection_model=Sale).to_list()
    assert [(one.id, one.sold) for one in sums] == [("even", 20), ("odd", 25)]
    assert await Book.find(Book.sold > 5).avg(Book.sold) == 7.5
    assert await Book.find().max(Book.sold) == 9
    joined = await Author.aggregate([
        {"$lookup": {"from": "books", "localField": "_id", "foreignField": "author.$id", "as": "books"}},
        {"$project": {"n": {"$size": "$books"}}},
    ]).to_list()
    assert joined[0]["n"] == 10


async def test_a_transaction_is_all_or_nothing(library):
    author = await Author(name="Borges").insert()
    async with library.start_session() as session:
        async with await session.start_transaction():
            await book("Ficciones", author, 1).insert(session=session)
            assert await Book.find(session=session).count() == 1
            assert await Book.count() == 0
            await session.abort_transaction()
        async with await session.start_transaction():
            await book("El Aleph", author, 2).insert(session=session)
    assert [one.title async for one in Book.find()] == ["El Aleph"]
    assert isinstance((await Book.find_one()).id, PydanticObjectId)
