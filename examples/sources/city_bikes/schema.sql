-- A bike-sharing scheme: stations, bikes, members, trips (from one station to another) and repairs.
CREATE TABLE stations (
  station_id INTEGER PRIMARY KEY,
  station_name TEXT NOT NULL,
  district TEXT NOT NULL,
  capacity INTEGER NOT NULL,
  opened_on DATE NOT NULL,
  has_shelter BOOLEAN NOT NULL
);
CREATE TABLE bikes (
  bike_id INTEGER PRIMARY KEY,
  model TEXT NOT NULL,
  is_electric BOOLEAN NOT NULL,
  purchase_date DATE NOT NULL,
  home_station_id INTEGER REFERENCES stations (station_id),
  status TEXT NOT NULL
);
CREATE TABLE members (
  member_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  birth_year INTEGER NOT NULL,
  plan TEXT NOT NULL,
  home_city TEXT NOT NULL,
  joined_on DATE NOT NULL,
  phone TEXT
);
CREATE TABLE trips (
  trip_id INTEGER PRIMARY KEY,
  bike_id INTEGER NOT NULL REFERENCES bikes (bike_id),
  member_id INTEGER REFERENCES members (member_id), -- empty for guests
  start_station_id INTEGER NOT NULL REFERENCES stations (station_id),
  end_station_id INTEGER NOT NULL REFERENCES stations (station_id),
  trip_date DATE NOT NULL,
  duration_minutes INTEGER NOT NULL,
  distance_km REAL
);
CREATE TABLE repairs (
  repair_id INTEGER PRIMARY KEY,
  bike_id INTEGER NOT NULL REFERENCES bikes (bike_id),
  repaired_on DATE NOT NULL,
  fault TEXT NOT NULL,
  cost REAL,
  mechanic TEXT NOT NULL
);
