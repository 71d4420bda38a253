--
-- PostgreSQL database dump
--


-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: vector; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;


--
-- Name: EXTENSION vector; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';


--
-- Name: unit; Type: DOMAIN; Schema: public; Owner: postgres
--

CREATE DOMAIN public.unit AS public.vector
	CONSTRAINT unit_check CHECK ((public.vector_norm(VALUE) = (1)::double precision));


ALTER DOMAIN public.unit OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: item; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.item (
    id bigint NOT NULL,
    title text NOT NULL,
    embedding public.vector(3),
    small public.halfvec(3)
);


ALTER TABLE public.item OWNER TO postgres;

--
-- Name: middle(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.middle() RETURNS public.vector
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT public.avg(item.embedding) AS avg
    FROM public.item;
END;


ALTER FUNCTION public.middle() OWNER TO postgres;

--
-- Name: nearest(public.vector, integer); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.nearest(query public.vector, k integer) RETURNS SETOF text
    LANGUAGE sql STABLE
    AS $$SELECT title FROM item ORDER BY embedding <=> query, id LIMIT k$$;


ALTER FUNCTION public.nearest(query public.vector, k integer) OWNER TO postgres;

--
-- Name: near_red; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.near_red AS
 SELECT item.title,
    (item.embedding OPERATOR(public.<->) '[1,0,0]'::public.vector) AS distance
   FROM public.item
  ORDER BY (item.embedding OPERATOR(public.<->) '[1,0,0]'::public.vector), item.id
 LIMIT 2;


ALTER TABLE public.near_red OWNER TO postgres;

--
-- Name: vectors; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.vectors (
    parts public.vector[],
    whole public.vector DEFAULT '[0,0]'::public.vector,
    CONSTRAINT vectors_whole_check CHECK ((public.vector_dims(whole) = 2))
);


ALTER TABLE public.vectors OWNER TO postgres;

--
-- PostgreSQL database dump complete
--


