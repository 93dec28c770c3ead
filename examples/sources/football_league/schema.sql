-- A football league: clubs and their stadiums, players, matches (a home and an away club) and goals.
CREATE TABLE Stadiums (
  StadiumID INTEGER PRIMARY KEY,
  Name TEXT NOT NULL,
  City TEXT NOT NULL,
  Capacity INTEGER NOT NULL,
  OpeningYear INTEGER,
  Surface TEXT NOT NULL
);
CREATE TABLE Clubs (
  ClubID INTEGER PRIMARY KEY,
  Name TEXT NOT NULL,
  City TEXT NOT NULL,
  FoundingYear INTEGER NOT NULL,
  StadiumID INTEGER NOT NULL REFERENCES Stadiums (StadiumID),
  Coach TEXT,
  Budget INTEGER NOT NULL
);
CREATE TABLE Players (
  PlayerID INTEGER PRIMARY KEY,
  Name TEXT NOT NULL,
  Position TEXT NOT NULL,
  BirthDate DATE NOT NULL,
  Nationality TEXT NOT NULL,
  ClubID INTEGER REFERENCES Clubs (ClubID), -- empty for free agents
  ShirtNumber INTEGER NOT NULL,
  MarketValue INTEGER,
  HeightCm INTEGER NOT NULL
);
CREATE TABLE Matches (
  MatchID INTEGER PRIMARY KEY,
  HomeClubID INTEGER NOT NULL REFERENCES Clubs (ClubID),
  AwayClubID INTEGER NOT NULL REFERENCES Clubs (ClubID),
  MatchDate DATE NOT NULL,
  HomeGoals INTEGER NOT NULL,
  AwayGoals INTEGER NOT NULL,
  Attendance INTEGER,
  Referee TEXT NOT NULL
);
CREATE TABLE Goals (
  GoalID INTEGER PRIMARY KEY,
  MatchID INTEGER NOT NULL REFERENCES Matches (MatchID),
  PlayerID INTEGER NOT NULL REFERENCES Players (PlayerID),
  Minute INTEGER NOT NULL,
  IsPenalty BOOLEAN NOT NULL
);
