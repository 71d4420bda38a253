/*
 * sql.h
 *	  Statements that the extension itself runs, in this backend.
 *
 * Values go in as parameters and come out as text: what runs here are DDL and
 * looks into the catalogs, a few rows each.
 */
#ifndef TRIDENT_BASE_SQL_H
#define TRIDENT_BASE_SQL_H

/* What a query returned.  A NULL is a NULL pointer. */
typedef struct TridentBaseRows
{
	int			nrows;
	int			ncolumns;
	char	 ***value;			/* value[row][column] */
} TridentBaseRows;

/* What trident_base_sql_begin changed; the caller's variable. */
typedef struct TridentBaseSql
{
	int			guc_level;
	Oid			role;
	int			security;
} TridentBaseSql;

/*
 * Set what text of values and definitions depends on as sessions on nodes have
 * it, whatever the user has set: search_path, DateStyle, IntervalStyle,
 * TimeZone, extra_float_digits.  Returns a level for AtEOXact_GUC, which sets
 * it back, as does the abort of the transaction.
 */
extern int	trident_base_sql_neutral(void);

/*
 * Make SPI ready, with those settings until the end, so that no object of a
 * user is taken for a built-in one, what is deparsed names its schemas, and
 * text reads alike everywhere.  Calls nest.  After an error the abort of the
 * transaction ends it.
 */
extern void trident_base_sql_begin(TridentBaseSql *sql);

/*
 * The same with the rights of the extension's owner, for the extension's own
 * tables; the caller has checked what its user may do.
 */
extern void trident_base_sql_begin_as_owner(TridentBaseSql *sql);

/* Undo what begin did; results stay. */
extern void trident_base_sql_end(TridentBaseSql *sql);

/*
 * Run statements without parameters, or one with nargs parameters of type
 * text; returns the rows it processed.  Between begin and end; raises what
 * they raise.
 */
extern uint64 trident_base_sql_run(const char *statement, int nargs,
								   const char *const *args);

/* The same, its rows palloc'd in the context that was current at begin. */
extern TridentBaseRows *trident_base_sql_rows(const char *statement, int nargs,
											  const char *const *args);

/* Its first column, of char *. */
extern struct List *trident_base_sql_list(const char *statement, int nargs,
										  const char *const *args);

/* Its only value, or NULL where there is none. */
extern char *trident_base_sql_value(const char *statement, int nargs,
									const char *const *args);

/*
 * A statement made by the rules of SQL's format(): %I an identifier, %L a
 * literal, %s as it is, %d an int; all others are errors.  palloc'd.
 */
extern char *trident_base_sql_format(const char *format,...);

/*
 * For an error context, whose argument is a statement: an error's position is
 * one in that, and it is shown with it, not with the query that led there.
 */
extern void trident_base_sql_error_place(void *sql);

#endif							/* TRIDENT_BASE_SQL_H */
