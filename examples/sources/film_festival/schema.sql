-- A film festival: films and their directors, venues, screenings, the jury and the awards it presents.
CREATE TABLE director (
  director_id INTEGER PRIMARY KEY,
  full_name TEXT NOT NULL,
  home_country TEXT NOT NULL,
  birth_year INTEGER NOT NULL,
  career_stage TEXT
);
CREATE TABLE film (
  film_id INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  director_id INTEGER NOT NULL REFERENCES director (director_id),
  genre TEXT NOT NULL,
  release_year INTEGER NOT NULL,
  duration_minutes INTEGER NOT NULL,
  language TEXT NOT NULL,
  budget INTEGER,
  rating REAL
);
CREATE TABLE venue (
  venue_id INTEGER PRIMARY KEY,
  venue_name TEXT NOT NULL,
  neighbourhood TEXT NOT NULL,
  seats INTEGER NOT NULL,
  has_bar BOOLEAN NOT NULL,
  opened_on DATE
);
CREATE TABLE screening (
  screening_id INTEGER PRIMARY KEY,
  film_id INTEGER NOT NULL REFERENCES film (film_id),
  venue_id INTEGER NOT NULL REFERENCES venue (venue_id),
  screening_date DATE NOT NULL,
  start_time TEXT NOT NULL,
  ticket_price REAL NOT NULL,
  tickets_sold INTEGER
);
CREATE TABLE jury_member (
  jury_member_id INTEGER PRIMARY KEY,
  full_name TEXT NOT NULL,
  profession TEXT NOT NULL,
  country TEXT NOT NULL
);
CREATE TABLE award (
  award_id INTEGER PRIMARY KEY,
  award_name TEXT NOT NULL,
  award_year INTEGER NOT NULL,
  film_id INTEGER NOT NULL REFERENCES film (film_id),
  presenter_id INTEGER REFERENCES jury_member (jury_member_id),
  prize_money INTEGER
);
