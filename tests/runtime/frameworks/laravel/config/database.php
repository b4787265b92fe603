<?php

// As laravel/laravel writes it: the prefix is the application's name and _database_.
return [
    'redis' => [
        'client' => 'phpredis',
        'options' => ['cluster' => 'redis', 'prefix' => Illuminate\Support\Str::slug('Shop', '_').'_database_'],
        'default' => ['host' => '127.0.0.1', 'port' => env('REDIS_PORT', 6379), 'database' => 0],
    ],
];
