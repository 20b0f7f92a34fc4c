# The checks of RPostgreSQL; integration/conformance/clients/doc.go says what is printed.

suppressPackageStartupMessages(library(RPostgreSQL))
Sys.setlocale("LC_ALL", "C.UTF-8")

TEXT <- "O'Reilly \\ \"quoted\" – Übergröße 東京 🐘"

# libpq takes all from PG*. At most 16 connections at once are the package's default.
connect <- function() dbConnect(PostgreSQL(max.con = 50))

value <- function(con, sql, ...) dbGetQuery(con, sql, ...)[1, 1]

equal <- function(got, want) {
  if (!identical(got, want)) stop("got ", format(got), ", want ", format(want))
}

fails <- function(code) {
  failed <- FALSE
  tryCatch(code, error = function(e) failed <<- TRUE, warning = function(w) failed <<- TRUE)
  if (!failed) stop("it did not fail")
}

check <- function(name, code) {
  tryCatch({
    code()
    cat("ok ", name, "\n", sep = "")
  }, error = function(e) cat("fail ", name, ": ", gsub("\\s+", " ", conditionMessage(e)), "\n", sep = ""))
}

not_available <- function(name, why) cat("n/a ", name, ": ", why, "\n", sep = "")

cat("version ", as.character(packageVersion("RPostgreSQL")), "\n", sep = "")

check("connect", function() equal(value(connect(), "select current_user::text"), "app_user"))

check("parameters", function() {
  row <- dbGetQuery(connect(), "select $1::text, $2::int, $3::float8", c(TEXT, 42, 3.25))
  Encoding(row[1, 1]) <- "UTF-8"
  equal(row[1, 1], TEXT)
  equal(row[1, 2], 42L)
  equal(row[1, 3], 3.25)
})

check("prepared", function() {
  con <- connect()
  dbGetQuery(con, "prepare twice (int) as select $1 * 2")
  for (i in 0:9) equal(value(con, sprintf("execute twice(%d)", i)), i * 2L)
})

check("large-result", function() {
  rows <- dbGetQuery(connect(), "select repeat(chr(97 + g % 26), 1000) as t from generate_series(1, 50000) g")
  equal(nrow(rows), 50000L)
  equal(all(rows$t == strrep(letters[seq_len(50000) %% 26 + 1], 1000)), TRUE)
})

check("copy-in", function() { # dbWriteTable copies
  con <- connect()
  dbWriteTable(con, "copied", data.frame(id = 0:19999), row.names = FALSE)
  equal(value(con, "select sum(id)::float8 from copied"), 199990000)
})

not_available("copy-out", "RPostgreSQL copies in only")
not_available("notice", "RPostgreSQL leaves notices to libpq, which prints them")

check("error", function() {
  con <- connect()
  fails(dbGetQuery(con, "select 1/0"))
  equal(dbGetException(con)$errorMsg != "", TRUE)
  equal(value(con, "select 1"), 1L)
})

check("transaction", function() {
  con <- connect()
  other <- connect()
  dbGetQuery(con, "create table kept (id int)")
  dbBegin(con)
  dbGetQuery(con, "insert into kept values (1)")
  equal(value(other, "select count(*)::int from kept"), 0L)
  dbRollback(con)
  dbBegin(con)
  dbGetQuery(con, "insert into kept values (2)")
  dbGetQuery(con, "savepoint s")
  fails(dbGetQuery(con, "select * from nowhere"))
  dbGetQuery(con, "rollback to s")
  dbCommit(con)
  equal(value(other, "select sum(id)::int from kept"), 2L)
})

not_available("listen", "RPostgreSQL has no call for notifications")
not_available("cancel", "RPostgreSQL has no call for it")

check("binary", function() {
  con <- connect()
  bytes <- as.raw(rep(0:255, 4))
  escaped <- postgresqlEscapeBytea(con, bytes)
  hex <- paste(format(bytes), collapse = "")
  equal(value(con, paste0("select encode('", escaped, "'::bytea, 'hex')")), hex)
  equal(postgresqlUnescapeBytea(value(con, paste0("select '", escaped, "'::bytea"))), bytes)
})

check("ten", function() { # R does one thing at a time: ten are open, and used in turns
  all <- lapply(1:10, function(i) connect())
  for (round in 1:3) for (i in 1:10) equal(value(all[[i]], sprintf("select %d", i)), i)
  for (con in all) dbDisconnect(con)
})

check("plain", function() {
  Sys.setenv(PGSSLMODE = "disable")
  equal(value(connect(), "select 1"), 1L)
})

check("tls", function() {
  Sys.setenv(PGSSLMODE = "require")
  equal(value(connect(), "select 1"), 1L)
  Sys.unsetenv("PGSSLMODE")
})

not_available("pool", "RPostgreSQL has none")
