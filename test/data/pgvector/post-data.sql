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

SET default_tablespace = '';

--
-- Name: item item_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.item
    ADD CONSTRAINT item_pkey PRIMARY KEY (id);


--
-- Name: item_embedding; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX item_embedding ON public.item USING hnsw (embedding public.vector_l2_ops) WITH (m='16', ef_construction='64');


--
-- Name: item_order; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX item_order ON public.item USING btree (embedding);


--
-- Name: item_small; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX item_small ON public.item USING ivfflat (small public.halfvec_cosine_ops) WITH (lists='1');


--
-- PostgreSQL database dump complete
--


