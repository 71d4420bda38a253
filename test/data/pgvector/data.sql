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
-- Data for Name: item; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.item (id, title, embedding, small) FROM stdin;
1	red	[1,0,0]	[1,0,0]
2	green	[0,1,0]	[0,1,0]
3	the type public.vector	[0,0,1]	[0,0,1]
4	orange	[1,0.5,0]	[1,0.5,0]
5	nothing	\N	\N
\.


--
-- Data for Name: vectors; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.vectors (parts, whole) FROM stdin;
{[1],[2]}	[1,2]
\.


--
-- PostgreSQL database dump complete
--


