BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0009');
CREATE TABLE artifact (
	"key" TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	created DATETIME NOT NULL, 
	run_id INTEGER NOT NULL, 
	CONSTRAINT pk_artifact PRIMARY KEY ("key"), 
	CONSTRAINT fk_artifact_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "artifact" VALUES('17c21ea6e9c187637e092db4cb7e5e6c72371b177056f2fd9ccdd9045ccb0711','scores','31ce50a893f46f3f6dbd66d722bc46d698f8b1b4cbcbcbf5abf6333c7138ca0d',331,'2026-11-25 15:55:10.113128',1);
INSERT INTO "artifact" VALUES('3c6c1e1a785e55f84ab7caa0f065d3cd85074a15ca1b7cff29c0798a90d13132','scores','a9d808803528a9eeac498ab10793fde342be8536266f7117e184da55d0c564a1',331,'2026-11-25 15:55:10.114032',1);
INSERT INTO "artifact" VALUES('e3c75a1f8e0998f8f240c49f0b82b115ea3576a7be6e4e12795edf795e5b3e73','scores','2d94dea6e2044f254ebb93c46cc6d85c557f199935cc5856e16712c1ed778c9f',331,'2026-11-25 15:55:10.114846',1);
INSERT INTO "artifact" VALUES('5b8a8b56dada6ce7567442b4935298df7de2badd7becdcf4915a59487338ca4b','features','335dca1bb78cf180412cb1be3e92f7545732f53d8365731f1f5c7c031b42006e',680,'2026-11-25 15:55:10.115756',1);
INSERT INTO "artifact" VALUES('036ffa9ac7c7dae7ff2cc99e073fd3e674a9b6d15070cd71f58d19e54ce15a94','samples','0070f8004fbafcaf84da66f698fdba7ca08c130d41f908f1ebd48f853b1c4755',243,'2026-11-25 15:55:10.116496',1);
CREATE TABLE attempt (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	cell_key TEXT NOT NULL, 
	run_id INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	created DATETIME NOT NULL, 
	seconds DOUBLE, 
	queries DOUBLE, 
	nfe DOUBLE, 
	peak_mb DOUBLE, 
	error TEXT NOT NULL, 
	traceback TEXT NOT NULL, 
	n_calibration INTEGER NOT NULL, 
	n_evaluation INTEGER NOT NULL, 
	scores_key TEXT, 
	batch_size INTEGER, fit TEXT DEFAULT '' NOT NULL, note TEXT DEFAULT '' NOT NULL, measured_by JSON DEFAULT '{}' NOT NULL, bypass TEXT DEFAULT '' NOT NULL, calibration_auc DOUBLE, chosen TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT fk_attempt_cell_key_cell FOREIGN KEY(cell_key) REFERENCES cell ("key"), 
	CONSTRAINT fk_attempt_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "attempt" VALUES(1,'1c11a791cd92abf15a5ae9e4d37c2b100ea2c5134ed4410484013b6f79020bca',1,'done','2024-05-01 12:00:00.000000',1.5,2.0,20.0,NULL,'','',0,0,'17c21ea6e9c187637e092db4cb7e5e6c72371b177056f2fd9ccdd9045ccb0711',64,'exact','measure late: ValueError: no','{"auc": "of that day"}','query: predict_noise; output: decode, encode',0.625,'loss(t=50)');
INSERT INTO "attempt" VALUES(2,'f1c00bcb5a7937d15ed2320b11882f3e5b1d7d5bcb290932a35b7f8c4cfa3a1c',1,'done','2024-05-01 12:01:00.000000',1.5,2.0,20.0,NULL,'','',0,0,'3c6c1e1a785e55f84ab7caa0f065d3cd85074a15ca1b7cff29c0798a90d13132',64,'exact','measure late: ValueError: no','{"auc": "of that day"}','query: predict_noise; output: decode, encode',0.625,'loss(t=50)');
INSERT INTO "attempt" VALUES(3,'3ca5bc2852ff3298bd88af6a74e7436c4fcd2ebca88cf67e00c75d1535693465',1,'done','2024-05-01 12:02:00.000000',1.5,2.0,20.0,NULL,'','',0,0,'e3c75a1f8e0998f8f240c49f0b82b115ea3576a7be6e4e12795edf795e5b3e73',64,'exact','measure late: ValueError: no','{"auc": "of that day"}','query: predict_noise; output: decode, encode',0.625,'loss(t=50)');
CREATE TABLE cell (
	"key" TEXT NOT NULL, 
	dataset_id INTEGER NOT NULL, 
	victim_id INTEGER NOT NULL, 
	defense_id INTEGER NOT NULL, 
	observer_id INTEGER NOT NULL, 
	distance_id INTEGER NOT NULL, 
	classifier_id INTEGER NOT NULL, 
	attacker TEXT NOT NULL, 
	labels TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	members INTEGER NOT NULL, 
	attack TEXT NOT NULL, 
	role TEXT NOT NULL, 
	access TEXT NOT NULL, nonmembers INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_cell PRIMARY KEY ("key"), 
	CONSTRAINT fk_cell_dataset_id_component FOREIGN KEY(dataset_id) REFERENCES component (id), 
	CONSTRAINT fk_cell_victim_id_component FOREIGN KEY(victim_id) REFERENCES component (id), 
	CONSTRAINT fk_cell_defense_id_component FOREIGN KEY(defense_id) REFERENCES component (id), 
	CONSTRAINT fk_cell_observer_id_component FOREIGN KEY(observer_id) REFERENCES component (id), 
	CONSTRAINT fk_cell_distance_id_component FOREIGN KEY(distance_id) REFERENCES component (id), 
	CONSTRAINT fk_cell_classifier_id_component FOREIGN KEY(classifier_id) REFERENCES component (id)
);
INSERT INTO "cell" VALUES('1c11a791cd92abf15a5ae9e4d37c2b100ea2c5134ed4410484013b6f79020bca',1,2,3,4,5,6,'adaptive','true',0,8,'','attack','gray',8);
INSERT INTO "cell" VALUES('f1c00bcb5a7937d15ed2320b11882f3e5b1d7d5bcb290932a35b7f8c4cfa3a1c',1,2,3,4,5,6,'adaptive','true',1,8,'','attack','gray',8);
INSERT INTO "cell" VALUES('3ca5bc2852ff3298bd88af6a74e7436c4fcd2ebca88cf67e00c75d1535693465',1,2,3,4,5,6,'adaptive','true',2,8,'','attack','gray',8);
CREATE TABLE component (
	id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	spec TEXT NOT NULL, 
	label TEXT NOT NULL, 
	identity TEXT NOT NULL, 
	info JSON NOT NULL, 
	CONSTRAINT pk_component PRIMARY KEY (id), 
	CONSTRAINT uq_component_kind_identity UNIQUE (kind, identity)
);
INSERT INTO "component" VALUES(1,'dataset','dataset_a(full=1)','dataset_a','5531a465b7b41bd5d9ccacc1dc5f37947963f0d2236acf23a139e63d4314a135','{"access": "gray"}');
INSERT INTO "component" VALUES(2,'victim','victim_a(full=1)','victim_a','8de9a2c2b508baec6303a8aaed0b166688c52d6eae7d3e45c477c5cc8cd55958','{"access": "gray"}');
INSERT INTO "component" VALUES(3,'defense','defense_a(full=1)','defense_a','3ae6f9dfb0a6930ba273be7ea46d90682cf8dbe6727c64cd4094a336ea6ff7db','{"access": "gray"}');
INSERT INTO "component" VALUES(4,'observer','observer_a(full=1)','observer_a','ef8e7beb219abc225a64150de93ec86f9e873c7ba59e1c35bc9d662c2b1f9747','{"access": "gray"}');
INSERT INTO "component" VALUES(5,'distance','distance_a(full=1)','distance_a','6d7e98beb3ec134d2aadeae5608f829d0813729cca34d1d37c57fb33bfb7a922','{"access": "gray"}');
INSERT INTO "component" VALUES(6,'classifier','classifier_a(full=1)','classifier_a','bd17ac24c88574edff13bb03cdcaa028b9b03d0cb115d8d7f76a6eab860b5221','{"access": "gray"}');
CREATE TABLE lease (
	"key" TEXT NOT NULL, 
	run_id INTEGER NOT NULL, 
	expires DOUBLE NOT NULL, 
	label TEXT NOT NULL, 
	CONSTRAINT pk_lease PRIMARY KEY ("key"), 
	CONSTRAINT fk_lease_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_meta PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('format','leakboard');
CREATE TABLE result (
	attempt_id INTEGER NOT NULL, 
	measure TEXT NOT NULL, 
	value DOUBLE, 
	low DOUBLE, 
	high DOUBLE, 
	n_member INTEGER NOT NULL, 
	n_nonmember INTEGER NOT NULL, 
	method TEXT NOT NULL, 
	flag TEXT NOT NULL, 
	CONSTRAINT pk_result PRIMARY KEY (attempt_id, measure), 
	CONSTRAINT fk_result_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id)
);
INSERT INTO "result" VALUES(1,'auc',0.75,0.65,0.85,4,4,'delong','');
INSERT INTO "result" VALUES(1,'tpr_at_1',0.25,NULL,NULL,4,4,'','hidden');
INSERT INTO "result" VALUES(2,'auc',0.75,0.65,0.85,4,4,'delong','');
INSERT INTO "result" VALUES(2,'tpr_at_1',0.25,NULL,NULL,4,4,'','hidden');
INSERT INTO "result" VALUES(3,'auc',0.75,0.65,0.85,4,4,'delong','');
INSERT INTO "result" VALUES(3,'tpr_at_1',0.25,NULL,NULL,4,4,'','hidden');
CREATE TABLE run (
	id INTEGER NOT NULL, 
	uid TEXT NOT NULL, 
	started DATETIME NOT NULL, 
	finished DATETIME, 
	status TEXT NOT NULL, 
	grid_name TEXT NOT NULL, 
	grid_text TEXT NOT NULL, 
	command TEXT NOT NULL, 
	provenance JSON NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	boot_id TEXT NOT NULL, 
	CONSTRAINT pk_run PRIMARY KEY (id), 
	CONSTRAINT uq_run_uid UNIQUE (uid)
);
INSERT INTO "run" VALUES(1,'run one','2024-05-01 12:00:00.000000','2024-05-01 12:00:00.000000','done','demo','x = 1','','{"git": "abc"}','host',1,'boot');
CREATE TABLE task (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	label TEXT NOT NULL, 
	victim TEXT NOT NULL, 
	dataset TEXT NOT NULL, 
	status TEXT NOT NULL, 
	seconds DOUBLE NOT NULL, 
	nfe DOUBLE NOT NULL, 
	samples INTEGER NOT NULL, 
	cells INTEGER NOT NULL, 
	created DATETIME NOT NULL, 
	error TEXT NOT NULL, 
	CONSTRAINT pk_task PRIMARY KEY (id), 
	CONSTRAINT fk_task_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "task" VALUES(1,1,'observe','a task','4c94485e0c21ae6c41ce1dfe7b6bfaceea5ab68e40a2476f50208e526f506080','18ac3e7343f016890c510e93f935261169d9e3f565436429830faf0934f4f8e4','done',2.0,8.0,8,1,'2024-05-01 12:00:00.000000','');
CREATE INDEX ix_lease_run_id ON lease (run_id);
CREATE INDEX ix_attempt_cell_key_created ON attempt (cell_key, created);
CREATE INDEX ix_attempt_run_id ON attempt (run_id);
CREATE INDEX ix_artifact_kind ON artifact (kind);
CREATE INDEX ix_task_run_id ON task (run_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('attempt',3);
COMMIT;
