// An object mapper's flow against a sandbox cluster: Mongoose, over the Node.js driver. Everything that a
// service built on it does: schemas, references, discriminators, indexes, bulk writes, transactions with
// sessions, change streams, cursors, files. Run by `cargo xtask conformance --only applications`.
"use strict";

const assert = require("node:assert/strict");
const { after, before, beforeEach, test } = require("node:test");
const mongoose = require("mongoose");

const { Schema } = mongoose;
const URI = `mongodb://${process.env.DB_IP}:${process.env.DB_PORT}/shop?replicaSet=portolan`;

const Address = new Schema({ street: String, city: { type: String, required: true } }, { _id: false });

const customerSchema = new Schema(
  {
    name: { type: String, required: true, trim: true },
    email: { type: String, required: true, lowercase: true, unique: true },
    age: { type: Number, min: 0, max: 150 },
    addresses: [Address],
    preferences: { type: Map, of: String },
    friends: [{ type: Schema.Types.ObjectId, ref: "Customer" }],
    balance: { type: Schema.Types.Decimal128, default: "0.00" },
    avatar: Buffer,
    extra: Schema.Types.Mixed,
    token: { type: Schema.Types.UUID },
    visits: { type: BigInt, default: 0n },
    tags: { type: [String], index: true },
  },
  { timestamps: true, optimisticConcurrency: true },
);
customerSchema.virtual("orders", { ref: "Order", localField: "_id", foreignField: "customer" });
customerSchema.virtual("label").get(function label() {
  return `${this.name} <${this.email}>`;
});
customerSchema.statics.byCity = function byCity(city) {
  return this.find({ "addresses.city": city }).sort({ name: 1 });
};
customerSchema.index({ name: 1, age: -1 }, { collation: { locale: "en", strength: 2 } });
customerSchema.index({ age: 1 }, { partialFilterExpression: { age: { $gt: 18 } }, name: "adults" });

const orderSchema = new Schema(
  {
    customer: { type: Schema.Types.ObjectId, ref: "Customer", required: true },
    lines: [{ sku: String, count: Number, price: Number }],
    state: { type: String, enum: ["new", "paid", "sent"], default: "new" },
    placed: { type: Date, default: Date.now },
    total: Number,
  },
  { timestamps: { createdAt: "made" } },
);
orderSchema.pre("save", function sum() {
  this.total = this.lines.reduce((all, line) => all + line.count * line.price, 0);
});

const eventSchema = new Schema({ at: { type: Date, expires: 3600 }, note: String }, { discriminatorKey: "kind" });

let Customer, Order, Event, Login, Purchase;

before(async () => {
  await mongoose.connect(URI, { serverSelectionTimeoutMS: 5000 });
  await mongoose.connection.dropDatabase();
  Customer = mongoose.model("Customer", customerSchema);
  Order = mongoose.model("Order", orderSchema);
  Event = mongoose.model("Event", eventSchema);
  Login = Event.discriminator("Login", new Schema({ address: String }));
  Purchase = Event.discriminator("Purchase", new Schema({ order: { type: Schema.Types.ObjectId, ref: "Order" } }));
  await Promise.all([Customer.init(), Order.init(), Event.init()]);
});

beforeEach(async () => {
  await Promise.all([Customer.deleteMany({}), Order.deleteMany({}), Event.deleteMany({})]);
});

after(async () => {
  await mongoose.connection.dropDatabase();
  await mongoose.disconnect();
});

function customer(number, more = {}) {
  return {
    name: `Customer ${number}`,
    email: `C${number}@example.com`,
    age: 20 + number,
    addresses: [{ street: `${number} High St`, city: number % 2 ? "Leeds" : "York" }],
    ...more,
  };
}

test("documents keep their types", async () => {
  const token = new mongoose.Types.UUID();
  const made = await Customer.create(
    customer(1, {
      preferences: { colour: "red", "long name": "x" },
      balance: "12.340",
      avatar: Buffer.from([1, 2, 3]),
      extra: { deep: [1, { a: null }] },
      token,
      visits: 9007199254740993n,
    }),
  );
  const read = await Customer.findById(made._id);
  assert.equal(read.email, "c1@example.com");
  assert.equal(read.preferences.get("long name"), "x");
  assert.equal(read.balance.toString(), "12.340");
  assert.deepEqual([...read.avatar], [1, 2, 3]);
  assert.deepEqual(read.extra, { deep: [1, { a: null }] });
  assert.equal(read.token.toString(), token.toString());
  assert.equal(read.visits, 9007199254740993n);
  assert.equal(read.label, "Customer 1 <c1@example.com>");
  assert.ok(read.createdAt instanceof Date && read.createdAt <= read.updatedAt);
});

test("what is not valid is refused, by the mapper and by unique indexes", async () => {
  await assert.rejects(Customer.create({ name: "x" }), mongoose.Error.ValidationError);
  await assert.rejects(Customer.create(customer(2, { age: 200 })), mongoose.Error.ValidationError);
  await Customer.create(customer(3));
  await assert.rejects(Customer.create(customer(3)), (error) => {
    assert.equal(error.code, 11000);
    assert.deepEqual(error.keyPattern, { email: 1 });
    assert.deepEqual(error.keyValue, { email: "c3@example.com" });
    return true;
  });
  const batch = [customer(4), customer(3), customer(5)];
  await assert.rejects(Customer.insertMany(batch, { ordered: false }), (error) => {
    assert.equal(error.writeErrors.length, 1);
    assert.equal(error.insertedDocs.length, 2);
    return true;
  });
  assert.equal(await Customer.countDocuments(), 3);
});

test("two savers of one document: the second is told", async () => {
  const made = await Customer.create(customer(1));
  const [first, second] = await Promise.all([Customer.findById(made._id), Customer.findById(made._id)]);
  first.addresses.push({ city: "Hull" });
  await first.save();
  second.addresses[0].city = "Bath";
  await assert.rejects(second.save(), mongoose.Error.VersionError);
  assert.equal((await Customer.findById(made._id)).__v, 1);
});

test("queries of every shape", async () => {
  await Customer.insertMany([...Array(20).keys()].map((n) => customer(n, { tags: [`t${n % 3}`, "all"] })));
  assert.equal((await Customer.byCity("York")).length, 10);
  const page = await Customer.find({ age: { $gte: 25, $lt: 35 } }).sort("-age").skip(2).limit(3).select("name age -_id").lean();
  assert.deepEqual(page.map((one) => one.age), [32, 31, 30]);
  assert.deepEqual(Object.keys(page[0]).sort(), ["age", "name"]);
  assert.equal((await Customer.find({ name: "CUSTOMER 7" }).collation({ locale: "en", strength: 2 })).length, 1);
  assert.equal(await Customer.countDocuments({ tags: { $all: ["t1", "all"] } }), 7);
  assert.equal(await Customer.estimatedDocumentCount(), 20);
  assert.deepEqual((await Customer.distinct("tags")).sort(), ["all", "t0", "t1", "t2"]);
  assert.ok(await Customer.exists({ email: /^c1@/ }));
  assert.equal(await Customer.exists({ email: "nobody" }), null);
  const elements = await Customer.find({ addresses: { $elemMatch: { city: "Leeds", street: /^1 / } } });
  assert.equal(elements.length, 1);
  let seen = 0;
  for await (const one of Customer.find().sort({ age: 1 }).batchSize(3).cursor()) {
    assert.equal(one.age, 20 + seen);
    seen += 1;
  }
  assert.equal(seen, 20);
  const plan = await Customer.find({ email: "c3@example.com" }).explain("executionStats");
  assert.equal(plan.executionStats.nReturned, 1);
  assert.equal(plan.executionStats.totalDocsExamined, 1);
});

test("updates of every shape", async () => {
  await Customer.insertMany([...Array(6).keys()].map((n) => customer(n)));
  const updated = await Customer.updateMany({ age: { $gte: 23 } }, { $inc: { age: 10 }, $push: { tags: { $each: ["b", "a"], $sort: 1 } } });
  assert.deepEqual([updated.matchedCount, updated.modifiedCount], [3, 3]);
  await Customer.updateOne(
    { email: "c1@example.com" },
    { $set: { "addresses.$[home].city": "Ripon" } },
    { arrayFilters: [{ "home.city": "Leeds" }] },
  );
  await Customer.updateOne({ "addresses.city": "Ripon" }, { $set: { "addresses.$.street": "2 Low St" } });
  const changed = await Customer.findOne({ email: "c1@example.com" });
  assert.deepEqual(changed.addresses[0].toObject(), { street: "2 Low St", city: "Ripon" });
  const piped = await Customer.updateMany({}, [{ $set: { extra: { $concat: ["$name", "!"] } } }], { updatePipeline: true });
  assert.equal(piped.modifiedCount, 6);
  const fresh = await Customer.findOneAndUpdate({ email: "new@example.com" }, { name: "New" }, { returnDocument: "after", upsert: true, setDefaultsOnInsert: true });
  assert.deepEqual([fresh.name, fresh.balance.toString()], ["New", "0.00"]);
  const raw = await Customer.findOneAndUpdate({ email: "other@example.com" }, { name: "Other" }, { upsert: true, includeResultMetadata: true });
  assert.equal(raw.lastErrorObject.updatedExisting, false);
  assert.ok(raw.lastErrorObject.upserted);
  const replaced = await Customer.replaceOne({ email: "other@example.com" }, { name: "Replaced", email: "other@example.com" });
  assert.equal(replaced.modifiedCount, 1);
  const gone = await Customer.findOneAndDelete({ email: "other@example.com" });
  assert.equal(gone.name, "Replaced");
  assert.equal((await Customer.deleteMany({ age: { $gt: 30 } })).deletedCount, 3);
});

test("many writes in one call", async () => {
  const done = await Customer.bulkWrite([
    { insertOne: { document: customer(1) } },
    { insertOne: { document: customer(2) } },
    { updateOne: { filter: { email: "c1@example.com" }, update: { age: 50 } } },
    { updateMany: { filter: {}, update: { $addToSet: { tags: "x" } } } },
    { replaceOne: { filter: { email: "c9@example.com" }, replacement: customer(9), upsert: true } },
    { deleteOne: { filter: { email: "c2@example.com" } } },
  ]);
  assert.deepEqual(
    [done.insertedCount, done.matchedCount, done.modifiedCount, done.upsertedCount, done.deletedCount],
    [2, 3, 3, 1, 1],
  );
  const all = await Customer.find().sort({ age: 1 });
  all.forEach((one) => (one.name = one.name.toUpperCase()));
  await Customer.bulkSave(all);
  assert.deepEqual(await Customer.distinct("name"), ["CUSTOMER 1", "CUSTOMER 9"]);
});

test("references are populated, in both directions", async () => {
  const [ann, bob] = await Customer.create([customer(1), customer(2)]);
  ann.friends.push(bob);
  await ann.save();
  await Order.create([
    { customer: ann, lines: [{ sku: "a", count: 2, price: 5 }] },
    { customer: ann, lines: [{ sku: "b", count: 1, price: 7 }], state: "paid" },
    { customer: bob, lines: [] },
  ]);
  const read = await Customer.findById(ann._id)
    .populate({ path: "orders", match: { total: { $gt: 8 } }, options: { sort: { total: 1 } } })
    .populate({ path: "friends", populate: "orders" });
  assert.deepEqual(read.orders.map((one) => one.total), [10]);
  assert.equal(read.friends[0].orders.length, 1);
  const orders = await Order.find({ state: "paid" }).populate("customer", "name");
  assert.equal(orders[0].customer.name, "Customer 1");
  const counted = await Customer.find().sort("age").populate({ path: "orders", count: true });
  assert.equal(counted.length, 2);
});

test("aggregations", async () => {
  const [ann, bob] = await Customer.create([customer(1), customer(2)]);
  await Order.create([...Array(10).keys()].map((n) => ({ customer: n % 3 ? ann : bob, lines: [{ sku: `s${n % 2}`, count: n, price: 2 }] })));
  const sums = await Order.aggregate()
    .unwind("lines")
    .group({ _id: { sku: "$lines.sku", customer: "$customer" }, sold: { $sum: "$lines.count" } })
    .lookup({ from: "customers", localField: "_id.customer", foreignField: "_id", as: "who" })
    .project({ _id: 0, sku: "$_id.sku", who: { $first: "$who.name" }, sold: 1 })
    .sort({ who: 1, sku: 1 });
  assert.deepEqual(sums, [
    { sku: "s0", who: "Customer 1", sold: 14 },
    { sku: "s1", who: "Customer 1", sold: 13 },
    { sku: "s0", who: "Customer 2", sold: 6 },
    { sku: "s1", who: "Customer 2", sold: 12 },
  ]);
  const [facets] = await Order.aggregate([
    { $facet: { top: [{ $sort: { total: -1 } }, { $limit: 2 }, { $project: { total: 1, _id: 0 } }], n: [{ $count: "n" }] } },
  ]);
  assert.deepEqual(facets, { top: [{ total: 18 }, { total: 16 }], n: [{ n: 10 }] });
  const windows = await Order.aggregate([
    { $setWindowFields: { partitionBy: "$customer", sortBy: { total: 1 }, output: { place: { $rank: {} }, running: { $sum: "$total", window: { documents: ["unbounded", "current"] } } } } },
    { $match: { place: 2 } },
    { $sort: { running: 1 } },
  ]);
  assert.deepEqual(windows.map((one) => one.running), [6, 6]);
});

test("kinds of documents share a collection", async () => {
  await Login.create({ at: new Date(), address: "::1" });
  await Purchase.create([{ at: new Date(), note: "p" }, { at: new Date() }]);
  assert.equal(await Event.countDocuments(), 3);
  assert.equal(await Login.countDocuments(), 1);
  const all = await Event.find().sort({ _id: 1 });
  assert.ok(all[0] instanceof Login && all[2] instanceof Purchase);
});

test("indexes follow the schema", async () => {
  const names = async () => (await Customer.listIndexes()).map((one) => one.name).sort();
  const expected = ["_id_", "adults", "email_1", "name_1_age_-1", "tags_1"];
  assert.deepEqual(await names(), expected);
  await Customer.collection.createIndex({ foreign: 1 });
  const difference = await Customer.diffIndexes();
  assert.deepEqual(difference, { toDrop: ["foreign_1"], toCreate: [] });
  await Customer.collection.dropIndex("tags_1");
  assert.deepEqual(await Customer.syncIndexes(), ["foreign_1"]);
  assert.deepEqual(await names(), expected);
  const ttl = (await Event.listIndexes()).find((one) => one.name === "at_1");
  assert.equal(ttl.expireAfterSeconds, 3600);
});

test("a transaction is all or nothing", async () => {
  const made = await Customer.create(customer(1));
  await assert.rejects(
    mongoose.connection.transaction(async (session) => {
      await Order.create([{ customer: made, lines: [{ count: 1, price: 1 }] }], { session });
      made.age = 99;
      await made.save({ session });
      assert.equal(await Order.countDocuments().session(session), 1);
      assert.equal(await Order.countDocuments(), 0);
      throw new Error("given up");
    }),
    /given up/,
  );
  assert.equal(await Order.countDocuments(), 0);
  assert.equal((await Customer.findById(made._id)).age, 21);
  // The mapper knows that what it thought was saved is not.
  await made.save();
  assert.equal((await Customer.findById(made._id)).age, 99);
  const session = await mongoose.startSession();
  const result = await session.withTransaction(async () => {
    await Customer.updateOne({ _id: made._id }, { $inc: { age: 1 } }).session(session);
    return Customer.findById(made._id).session(session);
  });
  await session.endSession();
  assert.equal(result.age, 100);
});

test("transactions in each other's way are run again", async () => {
  const made = await Customer.create(customer(1, { age: 0 }));
  const add = () =>
    mongoose.connection.transaction(async (session) => {
      const read = await Customer.findById(made._id).session(session);
      await Customer.updateOne({ _id: made._id }, { $set: { age: read.age + 1 } }, { session });
    });
  await Promise.all([...Array(6)].map(add));
  assert.equal((await Customer.findById(made._id)).age, 6);
});

test("a change stream tells what happens, and goes on where it was left", async () => {
  const stream = Order.watch([{ $match: { operationType: { $in: ["insert", "update", "delete"] } } }], { fullDocument: "updateLookup" });
  await new Promise((resolve) => stream.once("ready", resolve));
  const seen = [];
  const done = new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("change", (event) => {
      seen.push(event);
      if (seen.length === 2) resolve();
    });
  });
  const order = await Order.create({ customer: new mongoose.Types.ObjectId(), lines: [{ count: 3, price: 4 }] });
  await Order.updateOne({ _id: order._id }, { state: "paid" });
  await done;
  const token = seen[0]._id;
  await stream.close();
  await Order.deleteOne({ _id: order._id });
  assert.deepEqual(seen.map((event) => event.operationType), ["insert", "update"]);
  assert.equal(seen[1].updateDescription.updatedFields.state, "paid");
  assert.equal(seen[1].fullDocument.total, 12);
  const again = Order.collection.watch([], { resumeAfter: token });
  const kinds = [(await again.next()).operationType, (await again.next()).operationType];
  await again.close();
  assert.deepEqual(kinds, ["update", "delete"]);
});

test("collections are made with options, and files are kept", async () => {
  const Log = mongoose.model("Log", new Schema({ n: Number }, { capped: { size: 100_000, max: 3 }, autoCreate: false }));
  await Log.createCollection();
  await Log.insertMany([...Array(5).keys()].map((n) => ({ n })));
  assert.deepEqual((await Log.find()).map((one) => one.n), [2, 3, 4]);
  const names = (await mongoose.connection.listCollections()).map((one) => one.name);
  assert.ok(names.includes("logs") && names.includes("customers"));
  const bucket = new mongoose.mongo.GridFSBucket(mongoose.connection.db, { chunkSizeBytes: 1000 });
  const bytes = Buffer.alloc(5_500, "portolan");
  await new Promise((resolve, reject) => {
    bucket.openUploadStream("a.bin").on("finish", resolve).on("error", reject).end(bytes);
  });
  const parts = [];
  for await (const part of bucket.openDownloadStreamByName("a.bin")) parts.push(part);
  assert.ok(Buffer.concat(parts).equals(bytes));
  assert.equal((await mongoose.connection.db.admin().serverStatus()).ok, 1);
});
