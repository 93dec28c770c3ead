-- A clinic: doctors, patients, their appointments and what was prescribed.
CREATE TABLE department (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  floor INTEGER NOT NULL,
  beds INTEGER
);
CREATE TABLE doctor (
  id INTEGER PRIMARY KEY,
  full_name TEXT NOT NULL,
  specialty TEXT NOT NULL,
  department_id INTEGER NOT NULL REFERENCES department (id),
  hired_on DATE NOT NULL,
  salary INTEGER NOT NULL,
  is_full_time BOOLEAN NOT NULL
);
CREATE TABLE patient (
  id INTEGER PRIMARY KEY,
  full_name TEXT NOT NULL,
  gender TEXT NOT NULL,
  birth_date DATE NOT NULL,
  city TEXT NOT NULL,
  blood_type TEXT NOT NULL,
  phone TEXT
);
CREATE TABLE appointment (
  id INTEGER PRIMARY KEY,
  patient_id INTEGER NOT NULL REFERENCES patient (id),
  doctor_id INTEGER NOT NULL REFERENCES doctor (id),
  scheduled_on DATE NOT NULL,
  reason TEXT NOT NULL,
  status TEXT NOT NULL,
  fee REAL
);
CREATE TABLE medicine (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  manufacturer TEXT NOT NULL,
  unit_price REAL NOT NULL,
  needs_prescription BOOLEAN NOT NULL
);
CREATE TABLE prescription (
  id INTEGER PRIMARY KEY,
  appointment_id INTEGER NOT NULL REFERENCES appointment (id),
  medicine_id INTEGER NOT NULL REFERENCES medicine (id),
  dose_mg INTEGER NOT NULL,
  days INTEGER NOT NULL,
  notes TEXT
);
