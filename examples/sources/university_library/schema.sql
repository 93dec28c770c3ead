-- A university library: books and their authors, students, loans, and fines for late returns.
CREATE TABLE authors (
  author_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  nationality TEXT NOT NULL,
  birth_year INTEGER NOT NULL,
  death_year INTEGER
);
CREATE TABLE books (
  book_code TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  publisher TEXT NOT NULL,
  publication_year INTEGER NOT NULL,
  pages INTEGER NOT NULL,
  language TEXT NOT NULL,
  shelf TEXT NOT NULL,
  copies INTEGER
);
CREATE TABLE book_authors (
  book_code TEXT NOT NULL REFERENCES books (book_code),
  author_id INTEGER NOT NULL REFERENCES authors (author_id),
  PRIMARY KEY (book_code, author_id)
);
CREATE TABLE students (
  student_no INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  faculty TEXT NOT NULL,
  enrolled_on DATE NOT NULL,
  email TEXT,
  degree TEXT NOT NULL
);
CREATE TABLE loans (
  loan_id INTEGER PRIMARY KEY,
  book_code TEXT NOT NULL REFERENCES books (book_code),
  student_no INTEGER NOT NULL REFERENCES students (student_no),
  borrowed_on DATE NOT NULL,
  due_on DATE NOT NULL,
  returned_on DATE -- empty while the book is out
);
CREATE TABLE fines (
  fine_id INTEGER PRIMARY KEY,
  loan_id INTEGER NOT NULL REFERENCES loans (loan_id),
  amount REAL NOT NULL,
  paid_on DATE
);
