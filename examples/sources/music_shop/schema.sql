-- A record shop: artists, what they released, and who bought it.
CREATE TABLE artists (
  artist_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  country TEXT NOT NULL,
  debut_year INTEGER NOT NULL,
  website TEXT
);
CREATE TABLE albums (
  album_id INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  artist_id INTEGER NOT NULL REFERENCES artists (artist_id),
  release_date DATE NOT NULL,
  genre TEXT NOT NULL,
  price REAL NOT NULL,
  stock INTEGER
);
CREATE TABLE tracks (
  track_id INTEGER PRIMARY KEY,
  album_id INTEGER NOT NULL REFERENCES albums (album_id),
  track_number INTEGER NOT NULL,
  title TEXT NOT NULL,
  duration_seconds INTEGER NOT NULL
);
CREATE TABLE customers (
  customer_id INTEGER PRIMARY KEY,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  city TEXT NOT NULL,
  email TEXT,
  joined_on DATE NOT NULL
);
CREATE TABLE sales (
  sale_id INTEGER PRIMARY KEY,
  customer_id INTEGER REFERENCES customers (customer_id), -- empty for walk-in customers
  album_id INTEGER NOT NULL REFERENCES albums (album_id),
  sold_on DATE NOT NULL,
  quantity INTEGER NOT NULL,
  discount REAL
);
