/*
 * sql.c
 *	  Statements that the extension itself runs, in this backend.
 *
 * SPI with rules on top: names are looked up in pg_catalog alone, text of
 * values does not depend on what the session has set, values are parameters,
 * identifiers are quoted.  Memory: results live in the
 * caller's context, all else in SPI's until the end.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/sql.h"

#define MAX_ARGS 16

static void
set(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

int
trident_base_sql_neutral(void)
{
	int			level = NewGUCNestLevel();

	set("search_path", "pg_catalog, pg_temp");
	/* the others only where they differ: searches come here too */
	if (DateStyle != USE_ISO_DATES)
		set("datestyle", "ISO");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		set("intervalstyle", "postgres");
	if (extra_float_digits < 1)
		set("extra_float_digits", "3");
	if (strcmp(pg_get_timezone_name(session_timezone), "GMT") != 0)
		set("timezone", "GMT");
	return level;
}

void
trident_base_sql_begin(TridentBaseSql *sql)
{
	GetUserIdAndSecContext(&sql->role, &sql->security);
	sql->guc_level = trident_base_sql_neutral();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/* The owner of extension trident. */
static Oid
extension_owner(void)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum("trident"));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"trident\" does not exist"),
				 errhint("Create it with CREATE EXTENSION trident.")));
	return owner;
}

void
trident_base_sql_begin_as_owner(TridentBaseSql *sql)
{
	trident_base_sql_begin(sql);
	SetUserIdAndSecContext(extension_owner(),
						   sql->security | SECURITY_LOCAL_USERID_CHANGE);
}

void
trident_base_sql_end(TridentBaseSql *sql)
{
	SPI_finish();
	SetUserIdAndSecContext(sql->role, sql->security);
	AtEOXact_GUC(true, sql->guc_level);
}

/* Run it and leave the result in SPI_tuptable. */
static void
execute(const char *statement, int nargs, const char *const *args)
{
	Oid			types[MAX_ARGS];
	Datum		values[MAX_ARGS];
	char		nulls[MAX_ARGS];
	int			rc;

	/* Beside parallel workers only what changes nothing may run. */
	bool		read_only = IsInParallelMode();

	if (nargs > MAX_ARGS)
		elog(ERROR, "more than %d parameters", MAX_ARGS);
	for (int i = 0; i < nargs; i++)
	{
		types[i] = TEXTOID;
		values[i] = args[i] ? CStringGetTextDatum(args[i]) : (Datum) 0;
		nulls[i] = args[i] ? ' ' : 'n';
	}
	rc = nargs == 0 ? SPI_execute(statement, read_only, 0) :
		SPI_execute_with_args(statement, nargs, types, values, nulls, read_only, 0);
	if (rc < 0)
		elog(ERROR, "SPI failed: %s: %s", SPI_result_code_string(rc), statement);
}

uint64
trident_base_sql_run(const char *statement, int nargs, const char *const *args)
{
	uint64		processed;

	execute(statement, nargs, args);
	processed = SPI_processed;
	SPI_freetuptable(SPI_tuptable);
	return processed;
}

TridentBaseRows *
trident_base_sql_rows(const char *statement, int nargs, const char *const *args)
{
	TridentBaseRows *rows = SPI_palloc(sizeof(TridentBaseRows));

	execute(statement, nargs, args);
	if (SPI_tuptable == NULL)
		elog(ERROR, "no rows come from: %s", statement);
	rows->nrows = (int) SPI_processed;
	rows->ncolumns = SPI_tuptable->tupdesc->natts;
	rows->value = SPI_palloc(sizeof(char **) * Max(rows->nrows, 1));
	for (int i = 0; i < rows->nrows; i++)
	{
		rows->value[i] = SPI_palloc(sizeof(char *) * rows->ncolumns);
		for (int j = 0; j < rows->ncolumns; j++)
		{
			char	   *text = SPI_getvalue(SPI_tuptable->vals[i],
											SPI_tuptable->tupdesc, j + 1);

			rows->value[i][j] = NULL;
			if (text)
			{
				rows->value[i][j] = SPI_palloc(strlen(text) + 1);
				memcpy(rows->value[i][j], text, strlen(text) + 1);
				pfree(text);
			}
		}
	}
	SPI_freetuptable(SPI_tuptable);
	return rows;
}

List *
trident_base_sql_list(const char *statement, int nargs, const char *const *args)
{
	TridentBaseRows *rows = trident_base_sql_rows(statement, nargs, args);
	/* where the rows are, which is not SPI's own */
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(rows));
	List	   *list = NIL;

	for (int i = 0; i < rows->nrows; i++)
		list = lappend(list, rows->value[i][0]);
	MemoryContextSwitchTo(old);
	return list;
}

char *
trident_base_sql_value(const char *statement, int nargs, const char *const *args)
{
	TridentBaseRows *rows = trident_base_sql_rows(statement, nargs, args);

	return rows->nrows > 0 ? rows->value[0][0] : NULL;
}

char *
trident_base_sql_format(const char *format,...)
{
	StringInfoData text;
	va_list		args;

	initStringInfo(&text);
	va_start(args, format);
	for (const char *p = format; *p; p++)
	{
		if (*p != '%')
		{
			appendStringInfoChar(&text, *p);
			continue;
		}
		switch (*++p)
		{
			case 'I':
				appendStringInfoString(&text, quote_identifier(va_arg(args, char *)));
				break;
			case 'L':
				appendStringInfoString(&text, quote_literal_cstr(va_arg(args, char *)));
				break;
			case 's':
				appendStringInfoString(&text, va_arg(args, char *));
				break;
			case 'd':
				appendStringInfo(&text, "%d", va_arg(args, int));
				break;
			default:
				elog(ERROR, "no such format: %%%c", *p);
		}
	}
	va_end(args);
	return text.data;
}

void
trident_base_sql_error_place(void *sql)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) sql);
	}
}
